"""Show an evaluation in a notebook: the verdict, the heat table of models and conditions, and the first notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from pytest_robustness.core.text import printable
from pytest_robustness.report import summary
from pytest_robustness.report.number_text import DASH, SHADE_STEPS, points_text
from pytest_robustness.report.page import heat
from pytest_robustness.report.reader_notes import all_notes

if TYPE_CHECKING:
    from pytest_robustness.report.page.heat import HeatCell
    from pytest_robustness.report.run_report import RunReport

# A notebook shows no style sheet of ours; these are the page's shades, with a text colour that stands out on each.
_FALLS: Final = ("#fff3ea", "#ffe0c8", "#fdbd8c", "#ec8142", "#b23c08")
_RISES: Final = ("#eef5fc", "#d5e6f7", "#a6cbee", "#6aa7de", "#0b5cad")
_DARK, _LIGHT = "#1b1f24", "#ffffff"
_MOST_LINES = 5

_PAGE: Final = Markup(
    "<div><p><strong>{outcome}</strong> {verdict}</p>"
    "<table><thead><tr><th>model</th><th>control</th>{heads}</tr></thead><tbody>{rows}</tbody></table>{notes}</div>"
)
_ROW: Final = Markup("<tr><th>{model}</th><td>{control}</td>{cells}</tr>")
_CELL: Final = Markup('<td title="{words}" style="background:{ground};color:{text};text-align:right">{figure}</td>')


def html(report: RunReport) -> str:
    """Return verdict, heat table and first notes of a run as HTML; names from users are escaped."""
    rows = Markup("").join(
        _ROW.format(
            model=printable(report.labels[row.model]),
            control=DASH if row.control is None else f"{row.control:.1f}",
            cells=Markup("").join(map(_cell, row.cells)),
        )
        for row in heat.rows(report)
    )
    heads = Markup("").join(
        Markup("<th>{}</th>").format(printable(report.condition_label(condition)))
        for condition in summary.shown(report)
    )
    found = all_notes(report)
    more = [f"and {len(found) - _MOST_LINES:,} more: found.notes"] if len(found) > _MOST_LINES else []
    notes = Markup("").join(Markup("<p>{}</p>").format(line) for line in [*found[:_MOST_LINES], *more])
    outcome = summary.outcome(report).value
    return str(_PAGE.format(outcome=outcome, verdict=summary.verdict(report), heads=heads, rows=rows, notes=notes))


def _cell(cell: HeatCell) -> Markup:
    if cell.change is None:
        return _CELL.format(words=cell.error or "", ground="none", text="inherit", figure=DASH)
    steps = sum(abs(cell.change) >= step for step in SHADE_STEPS)
    shades = _FALLS if cell.change < 0 else _RISES
    ground, text = ("none", "inherit") if not steps else (shades[steps - 1], _LIGHT if steps == len(shades) else _DARK)
    figure = f"{points_text(cell.change)}{cell.mark.sign}"
    return _CELL.format(words=cell.mark.words, ground=ground, text=text, figure=figure)
