"""Say how to run one failed test again, by a command that can be pasted."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.core.text import pasted
from pytest_robustness.frontends.plugin.configuration import resolve_options
from pytest_robustness.frontends.session.options import RunMode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

_log = logging.getLogger(__name__)

_TITLE = "Run the first failed test again:"
_CONTINUED = " \\"
# Options that choose a part of the tests by more than their names, and so may leave out the one that is named, with
# the number of words that follow each: of pytest, pytest-split, pytest-shard and pytest-test-groups.
_CHOOSING = {
    **dict.fromkeys(("--lf", "--last-failed", "--sw", "--stepwise", "--sw-skip", "--stepwise-skip"), 0),
    **dict.fromkeys(("--lfnf", "--last-failed-no-failures"), 1),
    **dict.fromkeys(("--splits", "--group", "--shard-id", "--num-shards", "--test-group-count", "--test-group"), 1),
}
_FOLDERS = "robustness_folders"


def rerun_lines(config: pytest.Config, failed: Sequence[pytest.TestReport], width: int) -> list[str]:
    """Return how to run the first of the failed robustness tests again: the command, with that test for its paths.

    A line longer than ``width`` columns goes on below, as a shell reads it. Nothing where none failed. The command
    writes no baseline, because one test has only a part of it.
    """
    first = next((report for report in failed if "robustness" in report.keywords), None)
    if first is None:
        return []
    typed = set(config.args) if config.args_source is config.ArgsSource.ARGS else set()
    # Whoever pastes the command elsewhere, from the log of a job, has no such variable.
    of_job = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    given = _expanded([*of_job, *map(str, config.invocation_params.args)], config.invocation_params.dir)
    options = _judging(config, _options(config, given, typed)) + _without_paths(config, typed - {*given})
    pyargs, test = test_argument(config, first)
    if pyargs and "--pyargs" not in options:
        options.append("--pyargs")
    # The tests beside such a conftest.py are not to run.
    folders = getattr(first, _FOLDERS, [])
    options += [word for folder in folders if (word := f"--ignore-glob={folder}/*") not in options]
    words = [pasted(word) for word in (*_program(), *options, *folders, test)]
    if os.name == "nt":  # neither shell there goes on at a backslash, nor sets a variable for one command
        return [_TITLE, f"  {' '.join(words)}"]
    return [_TITLE, *_continued(["PYTEST_ADDOPTS="] * bool(of_job) + words, width)]


def _program() -> list[str]:
    """Return how pytest was started. ``python -m pytest`` also finds modules in the folder where it is typed."""
    if Path(sys.argv[0]).parts[-2:] != ("pytest", "__main__.py"):
        return ["pytest"]
    python, *words = sys.orig_argv
    name = Path(python).name
    if (found := shutil.which(name)) and Path(found) == Path(python):
        python = name  # the path in full comes from another program that started this one
    end = next((number for number, word in enumerate(words) if [*words[:number], word][-2:] == ["-m", "pytest"]), None)
    return [python, "-m", "pytest"] if end is None else [python, *words[: end + 1]]


def note_folders(item: pytest.Item, report: pytest.TestReport) -> None:
    """Note in a test's report where transforms are registered that pytest would not know if it ran that test alone.

    A ``conftest.py`` that does not lie above the test is read where its folder is named.
    """
    config, found = item.config, dict[str, None]()
    for hook in config.hook.pytest_robustness_register.get_hookimpls():
        place = Path(getattr(hook.plugin, "__file__", None) or "")
        here = config.invocation_params.dir
        # Where the tests are those of a package, pytest reads the one of the folder that it is started in.
        read = item.path.is_relative_to(place.parent) or (config.option.pyargs and here.is_relative_to(place.parent))
        if place.name == "conftest.py" and not read:
            found[os.path.relpath(place.parent, here)] = None
    if found:
        # An attribute of a report travels from a worker of xdist to the controller.
        vars(report)[_FOLDERS] = list(found)


def test_argument(config: pytest.Config, report: pytest.TestReport) -> tuple[bool, str]:
    """Return what names a test on the command line, typed where this run was, and whether that needs ``--pyargs``.

    A test of an installed package has a node id that no path leads to, or none but its name: its module names it.
    """
    # With --dist=loadgroup xdist adds a test's group to its name, which pytest does not know then.
    name, sign, group = str(report.nodeid).rpartition("@")
    of_group = sign and "::" in name and not report.location[2].endswith(f"@{group}")
    file, separator, rest = (name if of_group else str(report.nodeid)).partition("::")
    place = (config.rootpath / report.location[0]).resolve()
    elsewhere = place != (config.rootpath / file).resolve() and file.rpartition("/")[2] in ("", place.name)
    if config.option.pyargs and elsewhere:
        return True, f"{_module(place)}{separator}{rest}"
    from_here = os.path.relpath(config.rootpath / file, config.invocation_params.dir)
    return False, f"{from_here}{separator}{rest}"


def _judging(config: pytest.Config, arguments: Sequence[str]) -> list[str]:
    """Return ``arguments`` without what has a run write a baseline."""
    options = resolve_options(config)
    if options.mode is not RunMode.WRITE:
        return list(arguments)
    left = [argument for argument in arguments if argument != "--robustness-update-baseline"]
    # A configuration file may ask for it, too; and beside the new baseline the failure would be a known one.
    off = ["-o", "robustness_update_baseline=false"] if config.getini("robustness_update_baseline") else []
    return [*left, *off, *(["--robustness-expect=robust"] if options.expect == "baseline" else [])]


def _expanded(words: Sequence[str], folder: Path) -> list[str]:
    """Return ``words`` with the lines of each file that one of them names by ``@``, as pytest reads them."""
    found: list[str] = []
    for word in words:
        try:
            lines = (folder / word[1:]).read_text("utf-8", "surrogateescape").splitlines() if word[:1] == "@" else None
        except OSError:
            _log.debug("%s cannot be read any more", word, exc_info=True)
            lines = None
        found += [word] if lines is None else _expanded(lines, folder)
    return found


def _without_paths(config: pytest.Config, paths: set[str]) -> list[str]:
    """Return what takes out of the ``addopts`` of a file ``paths``, whose tests would run as well, and `_CHOOSING`."""
    added = config.getini("addopts")
    left = _options(config, added, paths)
    return ["-o", f"addopts={shlex.join(left)}"] if len(left) < len(added) else []


def _options(config: pytest.Config, words: Sequence[str], paths: Collection[str]) -> list[str]:
    """Return ``words`` without ``paths`` and without `_CHOOSING`; an option may have the same word as ``paths``.

    pytest's own parser tells which is which in ``pytest robustness -m robustness``.
    """
    marked = [f"\0{number}" if word in paths else word for number, word in enumerate(words)]
    try:
        parsed, others = config._parser.parse_known_and_unknown_args(marked)
        named = {*parsed.file_or_dir, *others}
    except (pytest.UsageError, SystemExit):  # a value that must be a number, say
        _log.debug("pytest does not parse %s", marked, exc_info=True)
        named = {*marked}
    return _not_choosing(
        [word for word, mark in zip(words, marked, strict=True) if word not in paths or mark not in named]
    )


def _not_choosing(words: Iterable[str]) -> list[str]:
    found, left_out = [], 0
    for word in words:
        option, separator, _ = word.partition("=")
        if left_out:
            left_out -= 1
        elif option in _CHOOSING:
            left_out = 0 if separator else _CHOOSING[option]
        else:
            found.append(word)
    return found


def _module(path: Path) -> str:
    """Return the dotted name of a module, with the packages that it is in."""
    return ".".join(reversed([path.stem, *_packages(path)]))


def _packages(path: Path) -> Iterable[str]:
    for folder in path.parents:
        if not (folder / "__init__.py").exists():
            return
        yield folder.name


def _continued(words: Iterable[str], width: int) -> Iterator[str]:
    line = " "
    for word in words:
        if line != " " and len(line) + 1 + len(word) + len(_CONTINUED) > width:
            yield line + _CONTINUED
            line = "   "
        line += f" {word}"
    yield line
