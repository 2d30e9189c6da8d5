"""What stands for an option that a user leaves out, where a second room has to know it."""

from __future__ import annotations

from typing import Final

STORE: Final = ".robustness/store.sqlite"
CLIP_TEMPLATES: Final = "single"
UNNAMED_DATA: Final = "data"
"""What messages call data that a program had already, which has no name."""
