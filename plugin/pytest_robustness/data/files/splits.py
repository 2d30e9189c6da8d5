"""Tell the splits of a data set, ``train`` and ``test``, from classes and shards, and ask which of them is meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What a model is most likely judged on has the largest number; names of one meaning have the same.
_SPLITS: Final[Mapping[str, int]] = {
    "train": 0, "training": 0, "dev": 1, "validate": 2, "validation": 2, "valid": 2, "val": 2, "eval": 3,
    "evaluation": 3, "test": 4, "testing": 4,
}  # fmt: skip
_NAMES: Final = "|".join(sorted(_SPLITS, key=len, reverse=True))
_FOLDER: Final = re.compile(rf"({_NAMES})[-_. ]?(?:set|split|data|images|imgs)?[-_. ]?\d*", re.IGNORECASE)
_WORD: Final = re.compile(rf"(?<![^\W_])({_NAMES})\d*(?![^\W_])", re.IGNORECASE)


def require_no_splits(root: str, folders: Sequence[str], named: str = "folder:{root}/{best}") -> None:
    """Raise `DataError` where two or more of the ``folders`` of ``root`` are splits of a data set, and not classes.

    A folder is one by its whole name: ``test``, ``Training_set``, ``val2017``; ``bullet_train`` is a class. The
    message suggests to name the best of them as ``named`` says.
    """
    found = {folder: match for folder in folders if (match := _FOLDER.fullmatch(folder))}
    if len(found) < 2:
        return
    best = max(found, key=lambda folder: _rank(found[folder]))
    _ask(
        root,
        [*found],
        named.replace("{root}", root).replace("{best}", best),
        "If they are classes, give one of the folders another name, or name a function that returns an ImageFolder of "
        "them: python:FILE:FACTORY.",
    )


def require_one_split(scheme: str, root: str, files: Sequence[str]) -> None:
    """Raise `DataError` where files belong to several splits, by a word anywhere in their paths.

    A word that stands in all of the paths says nothing: what differs counts.

    Parameters
    ----------
    scheme
        What a user writes before a path: ``tar``.
    root
        The folder that holds all of the files, as users write it.
    files
        Their paths below it, with forward slashes.
    """
    words = [{_SPLITS[match[1].lower()]: match[1] for match in _WORD.finditer(file)} for file in files]
    common = set.intersection(*map(set, words)) if words else set()
    ranks = sorted({rank for found in words for rank in found} - common)
    if len(ranks) < 2:
        return
    spelled = {rank: min(found[rank] for found in words if rank in found) for rank in ranks}
    mine = [file for file, found in zip(files, words, strict=True) if ranks[-1] in found]
    others = [file for file, found in zip(files, words, strict=True) if ranks[-1] not in found]
    _ask(
        root,
        sorted(spelled.values()),
        f"{scheme}:{root}/{_pattern(spelled[ranks[-1]], mine, others)}",
        "If they are no splits, or all of them are meant, name them in braces: {a,b}.",
    )


def _ask(root: str, names: Sequence[str], best: str, otherwise: str) -> None:
    splits = f"{', '.join(names[:-1])} and {names[-1]}"
    raise DataError(f"{root} holds {splits}: which of these splits is to be judged? Name it: {best}. {otherwise}")


def _rank(match: re.Match[str]) -> int:
    return _SPLITS[match[1].lower()]


def _pattern(word: str, mine: Sequence[str], others: Sequence[str]) -> str:
    """Return what names the files ``mine`` and none of the ``others``: a folder, else a pattern."""
    parents = {file.rpartition("/")[0] for file in mine}
    folders = ["/".join(mine[0].split("/")[:depth]) for depth in range(1, mine[0].count("/") + 1)]
    ending = mine[0][mine[0].rindex(".") :]
    within = f"{parents.pop()}/".lstrip("/") if len(parents) == 1 else "**/"
    patterns = [f"{within}{word}*{ending}", f"{within}*{word}*{ending}", f"**/{word}/**/*{ending}"]
    for candidate in (*folders, *patterns):
        named = re.compile(_as_regex(f"{candidate}/**/*" if candidate in folders else candidate))
        if all(map(named.fullmatch, mine)) and not any(map(named.fullmatch, others)):
            return candidate
    return patterns[1]


def _as_regex(pattern: str) -> str:
    """Return what matches the paths that a pattern of files does."""
    meant = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return "".join(meant.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*)", pattern))
