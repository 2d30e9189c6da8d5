"""Build the documentation site: ``sphinx-build -W docs docs/_build``.

The pages are the Markdown files of this folder, which also read well where they lie.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_robustness

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "pytest-robustness"
author = "the authors of pytest-robustness"
version = release = pytest_robustness.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
nitpicky = False
intersphinx_mapping: dict[str, tuple[str, None]] = {}

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["myst.header"]  # a page that is included begins below its title

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
napoleon_google_docstring = False

html_theme = "furo"
html_show_copyright = False
html_title = f"pytest-robustness {version}"
copybutton_exclude = ".linenos, .gp, .go"

_ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def _within(page: Path, text: str) -> str:
    """Return a page with links that stay on the site: to the README's page, to other pages, and no others.

    A file of the checkout is named, as it is on the page, without a link: the site does not have it.
    """

    def replaced(link: re.Match[str]) -> str:
        shown, target = link.groups()
        path, hash_sign, anchor = target.partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return link[0]
        file = (page.parent / path).resolve()
        if file == _ROOT / "README.md":
            return f"[{shown}](/readme.md{hash_sign}{anchor})"
        if file.suffix == ".md" and file.is_relative_to(_ROOT / "docs"):
            return f"[{shown}](/{file.relative_to(_ROOT / 'docs').as_posix()}{hash_sign}{anchor})"
        return shown

    return _LINK.sub(replaced, text)


def _read(_: Sphinx, name: str, content: list[str]) -> None:
    page = _ROOT / "docs" / f"{name}.md"
    if name == "readme":
        page = _ROOT / "README.md"
        text = page.read_text(encoding="utf-8")
        content[0] = re.sub(r"\]\(docs/(images/[^)]+)\)", r"](\1)", _within(page, text))
    elif page.is_file():
        content[0] = _within(page, content[0])


def setup(app: Sphinx) -> None:
    """Have every page's links checked against the site."""
    app.connect("source-read", _read)
