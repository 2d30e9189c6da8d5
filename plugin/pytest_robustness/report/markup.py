"""What pages and charts are rendered with: the templates of this room, and data packed for a page's scripts."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(folder: str) -> Environment:
    """Return the templates in a folder of this room: what they insert is escaped, and a missing name is an error."""
    return Environment(
        loader=PackageLoader("pytest_robustness.report", folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def packed(content: Any) -> str:
    """Return ``content`` as ``page/scripts/data.js`` reads it, and as text that needs no escaping in HTML.

    It is JSON, gzipped, in base64.
    """
    text = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    # A fixed time keeps the page the same, byte for byte, for the same results.
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()
