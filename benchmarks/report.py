"""How large the page gets, and how long it takes: 12 models x 9 transforms x 1000 classes, at one severity and at five.

Run ``python benchmarks/report.py``. The results are simulated (``tests/simulated.py``), so neither data nor models are
needed; the time to read the gallery's images again is therefore not in it.
"""

from __future__ import annotations

import runpy
import tempfile
import time
from pathlib import Path

from pytest_robustness.reports import html

simulated_view = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "simulated.py"))["simulated_view"]


def main() -> None:
    """Print one line for each size of result."""
    for severities in ((3,), (1, 2, 3, 4, 5)):
        view = simulated_view(severities=severities)
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            path = html.write(view, Path(folder))
            seconds = time.perf_counter() - start
            print(f"{len(view.conditions):>3} conditions: {path.stat().st_size / 1e6:.2f} MB in {seconds:.1f} s")


if __name__ == "__main__":
    main()
