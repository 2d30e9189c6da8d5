"""The styles and scripts of a page, and the policy that admits these alone."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from markupsafe import Markup

_PAGE = resources.files("pytest_robustness.report.page")


def joined(folder: str, ending: str, names: tuple[str, ...]) -> Markup:
    """Return the files ``names`` of a folder of the page, one after the other."""
    texts = [(_PAGE / folder / f"{name}.{ending}").read_text(encoding="utf-8") for name in names]
    return Markup("\n" + "\n".join(texts))  # noqa: S704 (our own files, which hold no closing tag)


def content_policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy: this style, this script, pictures within the page, and nothing else."""
    return (
        f"default-src 'none'; img-src data:; style-src {_source_hash(style)}; script-src {_source_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _source_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
