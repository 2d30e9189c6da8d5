"""Compare two runs from what they keep: reports, or baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
from markupsafe import Markup

from pytest_robustness.analysis.comparing import compare_runs, read
from pytest_robustness.analysis.limits import require_alpha
from pytest_robustness.core.arithmetic import numpy_defaults
from pytest_robustness.core.errors import OptionError, unknown
from pytest_robustness.core.text import printable_lines
from pytest_robustness.core.undoing import interrupts_undone
from pytest_robustness.inference.user_calls.aspects import every_aspect
from pytest_robustness.report.comparison import tables, terminal, words
from pytest_robustness.report.comparison.page import write

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from pytest_robustness.analysis.comparing import CellComparison, RunComparison

_WIDTH = 100
_FRAMES = {"models": tables.model_rows, "classes": tables.class_rows}


@interrupts_undone(every_aspect)
@numpy_defaults
def compare(
    before: str | os.PathLike[str],
    now: str | os.PathLike[str],
    *,
    models: Mapping[str, str] | None = None,
    alpha: float = 0.05,
) -> Comparison:
    """Compare two runs: per model, condition and class what changed, and which answers.

    Parameters
    ----------
    before, now
        Each the folder of a report, its ``results.json``, or the JSON file of a baseline.
    models
        The second run's name of a model, by the first one's, each whole or as reports shorten it. Other models are
        matched by name; where each run has but one model, these two are compared.
    alpha
        The level of the tests, after Holm's correction over all comparisons.

    Returns
    -------
    Comparison
        What changed.

    Raises
    ------
    ComparisonError
        A run is missing or damaged, or the two cannot be compared; the message says why.
    BaselineError
        A baseline is missing or damaged.
    OptionError
        ``alpha`` is no probability.
    """
    require_alpha(alpha)
    return Comparison(compare_runs(read(Path(before)), read(Path(now)), renamed=models, alpha=alpha))


class Comparison:
    """Two runs, compared: as objects, data frames, and a page.

    Parameters
    ----------
    found
        What the comparison says.
    """

    def __init__(self, found: RunComparison) -> None:
        self._found = found

    @property
    def worse(self) -> bool:
        """Whether anything got significantly worse: a model under a condition, or a class of one."""
        return self._found.worse

    @property
    def verdict(self) -> str:
        """What changed, in a sentence or two."""
        return words.verdict(self._found)

    @property
    def comparisons(self) -> tuple[CellComparison, ...]:
        """Each model under each condition that both runs have."""
        return self._found.cells

    @property
    def left_out(self) -> tuple[str, ...]:
        """What only one run has, and conditions that are not the same in both."""
        return self._found.left_out

    @property
    def notes(self) -> tuple[str, ...]:
        """What else to know: images that only one run has, why pairs are missing."""
        return self._found.notes

    @numpy_defaults
    def to_frame(self, kind: Literal["models", "classes"] = "models") -> pd.DataFrame:
        """Return a table: a row for each model under each condition (``models``), or for each class of these.

        Raises
        ------
        OptionError
            There is no such table.
        """
        if kind not in _FRAMES:
            raise OptionError(unknown("table", kind, _FRAMES))
        found = pd.DataFrame(list(_FRAMES[kind](self._found)))
        return found.astype(dict.fromkeys(found.columns.intersection(["severity"]), "Int64"))

    @interrupts_undone(every_aspect)
    @numpy_defaults
    def report(self, folder: str | os.PathLike[str] = "reports/comparison") -> Path:
        """Write ``comparison.html``, ``comparison.json`` and ``comparison-classes.csv``; return the page's path.

        Raises
        ------
        RobustnessError
            The folder cannot be written to.
        """
        return write(self._found, Path(folder))

    @numpy_defaults
    def text(self, width: int = _WIDTH, *, color: bool = False) -> str:
        """Return the comparison as the command prints it, ``width`` columns wide."""
        return terminal.render(self._found, width, color)

    def __repr__(self) -> str:
        return printable_lines(self.text()).rstrip()

    def _repr_html_(self) -> str:
        columns = ["model", "transform", "severity", "accuracy_before", "accuracy", "difference", "p_adjusted"]
        table = self.to_frame("models")[columns].to_html(index=False, float_format="{:.2f}".format, na_rep="–")
        notes = Markup("").join(Markup("<p>{}</p>").format(text) for text in (*self.left_out, *self.notes))
        return str(Markup("<div><p>{}</p>{}{}</div>").format(self.verdict, Markup(table), notes))  # noqa: S704 (escaped)
