"""Hash what Python objects hold and what their code does.

`content_hash` walks everything that can be reached from a value. `walk` keeps the account, `parts` asks the modules
below it what an object consists of: `arrays`, `definitions`, `objects`. `origin` says whose code it is, and `patches`
what of the user's stands in the place of a library's.
"""

from pytest_robustness.core.content.patches import patches
from pytest_robustness.core.content.walk import ContentHash, Hashed, content_hash

__all__ = ["ContentHash", "Hashed", "content_hash", "patches"]
