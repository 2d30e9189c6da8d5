"""Folders that are known by a list of paths alone: of a storage, of an archive."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from pytest_robustness.core.text import decoded
from pytest_robustness.data.decoding.formats import extension, readable
from pytest_robustness.data.files.class_folders import is_hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_robustness.data.encoded import EncodedImages
    from pytest_robustness.data.files.class_folders import LeftOut


@dataclasses.dataclass(frozen=True, eq=False)
class ListedTree:
    """A `Tree` made of paths; there are no links, and a folder is what a path has before a slash.

    Parameters
    ----------
    shown
        The root as users write it.
    paths
        Every file below the root, with forward slashes.
    opened
        Returns the images at given paths.
    """

    shown: str
    paths: Sequence[str]
    opened: Callable[[Sequence[str]], EncodedImages]

    def folders(self, layout: str) -> list[str]:  # noqa: ARG002 (it has been read already)
        """Return the names of the folders in the root, sorted, without those that are hidden or a system's."""
        return sorted(folder for folder in self._by_folder if folder and not is_hidden(folder))

    def files(self, folder: str, left_out: LeftOut, *, nested: bool = True) -> list[str]:  # noqa: ARG002 (only the root has none)
        """Return the images of ``folder``; count what is none. See `Tree.files`."""
        extensions = readable().extensions
        hidden: set[str] = set()
        found: list[tuple[list[str], str]] = []
        within = self._by_folder.get(folder, [])
        if not folder:
            within = within + [f"{name}/" for name in self._by_folder if is_hidden(name)]
        for path in within:
            parts = path.split("/")
            start = 1 if folder else 0
            first = next((i for i in range(start, len(parts)) if is_hidden(parts[i])), None)
            if first is not None:
                hidden.add("/".join(parts[: first + 1]))
            elif (ending := extension(parts[-1])) in extensions:
                found.append((parts, path))
            else:
                left_out.endings[decoded(ending)] += 1
        left_out.hidden += len(hidden)
        return [path for _, path in sorted(found, key=lambda pair: (pair[0][:-1], pair[0][-1]))]

    def require_apart(self, folders: Sequence[str]) -> None:
        """Accept all ``folders``: without links, no two hold the same file."""

    def images(self, paths: Sequence[str]) -> EncodedImages:
        """Return the images at ``paths``."""
        return self.opened(paths)

    @functools.cached_property
    def _by_folder(self) -> Mapping[str, list[str]]:
        """The paths below each folder in the root, and under "" those in the root itself."""
        found: dict[str, list[str]] = {}
        for path in self.paths:
            folder, slash, _ = path.partition("/")
            found.setdefault(folder if slash else "", []).append(path)
        return found
