"""Draw the charts of an evaluation with Matplotlib: the article's two, and accuracy by severity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pytest_robustness.core import Condition
from pytest_robustness.core.arithmetic import numpy_defaults
from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.extras import pip_install
from pytest_robustness.report.class_test_words import words_of
from pytest_robustness.report.page import heat
from pytest_robustness.report.page.curves import severities_of
from pytest_robustness.report.summary import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pytest_robustness.report.run_report import RunReport

# The page's scale: orange falls, blue rises, which colour-blind people tell apart.
_SCALE: Final = ("#b23c08", "#fdbd8c", "#ffffff", "#a6cbee", "#0b5cad")
_FALL, _QUIET, _TEXT = "#b23c08", "#c9d0d8", "#1b1f24"
_STRONG: Final = 0.6
"""The share of the scale beyond which a figure is written in white."""

_LOWEST: Final = 1.5
"""How high the bars of colours are at least, in inches."""


class Plots:
    """Draws charts of a run, each on axes that are given or new, and returns the axes.

    Parameters
    ----------
    report
        Of the run.
    """

    def __init__(self, report: RunReport) -> None:
        self._report = report

    @numpy_defaults
    def heatmap(self, ax: Axes | None = None) -> Axes:
        """Draw the change of accuracy of each model under each condition, in points; ``*`` its t-test rejects.

        Raises
        ------
        OptionError
            Matplotlib is not installed.
        """
        import numpy as np

        report, rows, conditions = self._report, heat.rows(self._report), shown(self._report)
        # Labels take up to two inches of the height, and the scale needs one to be read.
        size = (2.5 + 0.9 * len(conditions), 2.0 + max(_LOWEST, 0.36 * len(rows)))
        axes = _axes(ax, size)
        from matplotlib.colors import LinearSegmentedColormap

        changes = np.array([[math.nan if c.change is None else c.change for c in row.cells] for row in rows])
        largest = max(1.0, float(np.nanmax(np.abs(changes), initial=0.0)))
        scale = LinearSegmentedColormap.from_list("robustness", _SCALE)
        image = axes.imshow(changes, cmap=scale, vmin=-largest, vmax=largest, aspect="auto")
        for y, row in enumerate(rows):
            for x, cell in enumerate(row.cells):
                text = "–" if cell.change is None else f"{cell.change:+.1f}{cell.mark.sign}"
                strong = cell.change is not None and abs(cell.change) > _STRONG * largest
                axes.text(x, y, text, ha="center", va="center", fontsize=8, color="white" if strong else _TEXT)
        labels = [report.condition_label(condition) for condition in conditions]
        axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right")
        axes.set_yticks(range(len(rows)), [_label(report, row) for row in rows])
        axes.set_title(f"Change of {report.measure}, in points")
        axes.figure.colorbar(image, ax=axes, label="points")
        return axes

    @numpy_defaults
    def sensitive_classes(self, ax: Axes | None = None) -> Axes:
        """Draw how many classes are sensitive under each condition, and how many may be: the article's second chart.

        Raises
        ------
        OptionError
            Matplotlib is not installed.
        """
        report, bars = self._report, heat.class_bars(self._report)
        axes = _axes(ax, (7.5, 1.4 + 0.42 * len(bars)))
        labels = [report.condition_label(bar.condition) for bar in bars]
        places = range(len(bars))
        axes.barh(places, [bar.sensitive for bar in bars], color=_FALL, label="sensitive")
        lefts = [bar.sensitive for bar in bars]
        axes.barh(places, [bar.classes - bar.sensitive for bar in bars], left=lefts, color=_QUIET, label="other")
        allowed = [bar.allowed for bar in bars]
        axes.scatter(allowed, places, marker="|", s=200, color=_TEXT, label="allowed", zorder=3)
        for place, bar in zip(places, bars, strict=True):
            axes.annotate(f" {bar.sensitive}", (bar.classes, place), va="center", fontsize=9)
        axes.set_yticks(places, labels)
        axes.invert_yaxis()
        axes.set_xlabel("classes")
        axes.set_title(f"Classes sensitive by their tests over the {words_of(report.class_tests).over}")
        # Beside the bars, which fill the axes, and the figures at their ends.
        axes.legend(loc="center left", bbox_to_anchor=(1.08, 0.5), borderaxespad=0, fontsize=8, frameon=False)
        return axes

    @numpy_defaults
    def curves(self, ax: Axes | None = None) -> Axes:
        """Draw the change by severity, with its 95 % interval, for each transform at more than one severity.

        Of several models it is the average.

        Raises
        ------
        OptionError
            No transform ran at more than one severity, or Matplotlib is not installed.
        """
        levels = severities_of(self._report)
        if not levels:
            raise OptionError("A curve needs a transform at more than one severity: evaluate(..., severity='1-5').")
        axes = _axes(ax, (7.5, 4.5))
        for transform, severities in levels.items():
            found = [self._report.changes[Condition(transform, severity)] for severity in severities]
            (line,) = axes.plot(severities, [change.value for change in found], marker="o", label=transform)
            axes.fill_between(
                severities,
                [change.low for change in found],
                [change.high for change in found],
                alpha=0.15,
                color=line.get_color(),
            )
        axes.axhline(0, color=_QUIET, linewidth=1)
        axes.set_xticks(sorted({severity for severities in levels.values() for severity in severities}))
        axes.set_xlabel("severity")
        axes.set_ylabel("points")
        average = ", average over models" if len(self._report.models) > 1 else ""
        axes.set_title(f"Change of {self._report.measure}{average}, with its 95 % interval")
        axes.legend(fontsize=8)
        return axes


def _label(report: RunReport, row: heat.HeatRow) -> str:
    control = "" if row.control is None else f"  {row.control:.1f} %"
    return f"{report.labels[row.model]}{control}"


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return axes to draw on; new ones where none are given."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        raise OptionError(f"Charts need Matplotlib: {pip_install('plot')}.") from None
    axes: Axes = plt.subplots(figsize=size, layout="constrained")[1]
    return axes
