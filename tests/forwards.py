"""How many images a user's model sees in a run besides those that it is judged on."""

from __future__ import annotations

from typing import Final

# Three images in one batch and one of them alone: to see what works, and for the answers that are compared.
ASKED: Final = 2 * (3 + 1)
# Where it has something to compute: the same four images in both memory layouts.
FORMS: Final = 2 * 4
# The most images that stored answers are compared on, under each condition; a slow machine takes fewer.
CHECKED: Final = 16
