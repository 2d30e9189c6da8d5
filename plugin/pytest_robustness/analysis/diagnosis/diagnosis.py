"""The diagnosis of a model's set-up, as a value: its figures, its verdict, and how it is shown."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core.text import counted, printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_MOST_SHOWN: Final = 8


@dataclasses.dataclass(frozen=True)
class Trial:
    """One setting in another way, against the set-up as it is given, on the same images.

    ``images`` are those that were asked about: all of them, unless it was clear before that this is not the best.
    Accuracies are percentages; ``difference`` is in points, with its 95 % interval ``low`` to ``high``. ``lost`` and
    ``gained`` count images that are right only as given, and only so. ``p_value`` is that of McNemar's exact test,
    ``p_adjusted`` Holm's correction for all that was tried. ``error`` says why the model did not run so; there are no
    figures then.
    """

    setting: str
    tried: str
    images: int = 0
    control_accuracy: float = math.nan
    accuracy: float = math.nan
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    lost: int = 0
    gained: int = 0
    p_value: float = math.nan
    p_adjusted: float = math.nan
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What the doctor says of a model's set-up.

    Parameters
    ----------
    model, data
        Their names.
    images
        How many images were asked about.
    control
        The accuracy as the model is set up, in percent; NaN where it does not run so.
    verdict
        PASS: nothing that was tried is better by more than the margin. FAIL: a setting is wrong, or the model guesses
        and nothing helps. INCONCLUSIVE: the images are too few to say.
    trials
        Everything that was tried, the best first.
    setting
        What is wrong; empty where nothing was shown to be.
    accuracy
        The accuracy with that mended, in percent; NaN where nothing is to be mended.
    place, line
        Where to write what: ``line`` is to be pasted.
    when
        ``2026-11-28 18:54 UTC``.
    """

    model: str
    data: str
    images: int
    control: float
    verdict: Verdict
    trials: tuple[Trial, ...]
    setting: str = ""
    accuracy: float = math.nan
    place: str = ""
    line: str = ""
    when: str = ""

    @property
    def fault(self) -> bool:
        """Whether a setting was shown to be wrong, or the model guesses and nothing that was tried helps."""
        return self.verdict.outcome is Outcome.FAIL

    @property
    def undecided(self) -> tuple[Trial, ...]:
        """Trials that these images cannot tell from the set-up as it is: their interval contains 0."""
        return tuple(trial for trial in self.trials if trial.low <= 0 <= trial.high)

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each trial, the best first."""
        import pandas as pd

        return pd.DataFrame(
            [dataclasses.asdict(trial) for trial in self.trials],
            columns=[field.name for field in dataclasses.fields(Trial)],
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the diagnosis as JSON values: ``null`` stands for a figure that is not defined."""
        content = {**dataclasses.asdict(self), "verdict": list(self.verdict)}
        content["trials"] = [_without_nan(trial) for trial in content["trials"]]
        return _without_nan(content)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Diagnosis:
        """Return the diagnosis that `as_dict` was called on."""
        outcome, reason = content["verdict"]
        trials = tuple(Trial(**_with_nan(trial)) for trial in content["trials"])
        return cls(**{**_with_nan(content), "verdict": Verdict(Outcome(outcome), reason), "trials": trials})

    def __str__(self) -> str:
        lines = [f"{self.model} on {counted(self.images, 'image')} of {self.data}", self.verdict.reason]
        if self.line:
            lines.append(f"{self.place}:")
        shown = [trial for trial in self.trials if not trial.error]
        table = [_row(trial) for trial in shown[:_MOST_SHOWN]]
        more = [f"  and {len(shown) - _MOST_SHOWN} more"] if len(shown) > _MOST_SHOWN else []
        failed = len(self.trials) - len(shown)
        refused = [f"  The model does not run with {counted(failed, 'other')}."] if failed else []
        head = ["Tried, the best first:"] if table else []
        body = "\n".join(printable_lines(text) for text in lines)
        pasted = [f"  {printable_lines(self.line, len(self.line) + 1)}"] if self.line else []
        return "\n".join([body, *pasted, *head, *map(printable, table), *more, *refused])

    def _repr_html_(self) -> str:
        head = Markup("<p><strong>{}</strong> {}</p>").format(self.verdict.outcome.value, self.verdict.reason)
        mend = Markup("<p>{}: <code>{}</code></p>").format(self.place, self.line) if self.line else Markup("")
        columns = ["setting", "tried", "images", "control_accuracy", "accuracy", "difference", "low", "high"]
        table = self.to_frame()[columns].head(_MOST_SHOWN)
        rows = Markup(table.to_html(index=False, float_format="{:.1f}".format, na_rep="–"))  # noqa: S704 (escaped)
        return str(Markup("<div>{}{}{}</div>").format(head, mend, rows))


def _row(trial: Trial) -> str:
    interval = f"{trial.low:+.1f} to {trial.high:+.1f}"
    return (
        f"  {trial.control_accuracy:5.1f} % -> {trial.accuracy:5.1f} %  ({trial.difference:+.1f}, {interval}; "
        f"{counted(trial.images, 'image')})  {trial.tried}"
    )


def _without_nan(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in content.items()}


def _with_nan(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in content.items()}
