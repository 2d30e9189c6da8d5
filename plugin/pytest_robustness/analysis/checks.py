"""Check a run's answers before anything is concluded from them: is each model better than guessing?"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from pytest_robustness.analysis import statistics
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.inference.loading.model_facts import ModelFacts


ChanceRule = Literal["error", "warn", "off"]
_LENIENT: Final = "--robustness-chance-check=warn lets it pass"
# Matches in which nothing but the order says which output is which class.
_UNNAMED: Final = ("position", "number")


class _Control(NamedTuple):
    """A model's right answers without any transform, on how many images of how many classes, and the share by chance.

    ``classes`` counts those that have images. ``better`` says that the answers are right more often than by chance.
    """

    model: str
    correct: int
    n: int
    classes: int
    chance: float
    better: bool

    @property
    def like_guessing(self) -> bool:
        """Whether the right answers are not significantly more than chance gives; one class cannot be judged."""
        return self.classes > 1 and not self.better

    @property
    def wrong(self) -> bool:
        """Whether, besides, the images are enough to exclude a model of use."""
        return self.like_guessing and statistics.excludes_skill(self.correct, self.n, self.chance)

    @property
    def text(self) -> str:
        """The figures."""
        expected = f"{self.chance * self.n:,.1f}".removesuffix(".0")
        return (
            f"{self.model} is right on {self.correct:,} of {counted(self.n, 'image')} without any "
            f"transform, where guessing is right on {expected}"
        )

    @property
    def no_better(self) -> str:
        """What follows from the figures."""
        return f"no better than chance for {counted(self.classes, 'class', 'classes')}"


@dataclasses.dataclass(frozen=True)
class ChanceCheck:
    """Checks that each model is better than guessing on untouched images.

    Parameters
    ----------
    rule
        ``error`` refuses a model that is at chance level although its classes were matched by position or number alone;
        where they were matched by what they are called, its order of classes is not in doubt, and it is warned of.
        ``warn`` warns of all, ``off`` checks nothing.
    matches
        How the classes of each model were matched: `ClassMatch.method` by the model's name.
    proposals
        What to do to find out what is wrong with a model: a sentence by the model's name.
    """

    rule: ChanceRule
    matches: Mapping[str, str]
    proposals: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls, rule: ChanceRule, models: Mapping[str, ModelFacts], proposals: Mapping[str, str] | None = None
    ) -> ChanceCheck:
        """Return the check of ``models``, by name."""
        return cls(rule, {model: facts.class_match for model, facts in models.items()}, proposals or {})

    def errors(self, predictions: StoredPredictions) -> dict[str, str]:
        """Return a message for each model whose order of classes must be wrong."""
        return {
            found.model: f"{found.text}: {found.no_better}. Class order? Its outputs "
            f"and the folders of the data may be in different orders: give the model its class list. If it is as weak "
            f"as that, --robustness-chance-check=warn judges it.{self._proposal(found)}"
            for found in self._controls(predictions)
            if self._refused(found)
        }

    def warnings(self, predictions: StoredPredictions) -> tuple[str, ...]:
        """Return a sentence for each other model that is no better than chance, or cannot be told from guessing."""
        return tuple(
            self._warning(found)
            for found in self._controls(predictions)
            if found.like_guessing and not self._refused(found)
        )

    def _refused(self, found: _Control) -> bool:
        return self.rule == "error" and found.wrong and not self._named(found)

    def _named(self, found: _Control) -> bool:
        return self.matches[found.model] not in _UNNAMED

    def _warning(self, found: _Control) -> str:
        if not found.wrong:
            return (
                f"{found.text}, so that it cannot be told from guessing: judge it on more images, and see that its "
                f"class list is in the order of its outputs.{self._proposal(found)}"
            )
        named = f"Its classes were matched by {self.matches[found.model]}, so that" if self._named(found) else "Perhaps"
        return (
            f"{found.text}: {found.no_better}. {named} the data is hard for it, or its "
            f"class list is not in the order of its outputs.{self._proposal(found)}"
        )

    def _proposal(self, found: _Control) -> str:
        sentence = self.proposals.get(found.model, "")
        return f" {sentence}" if sentence else ""

    def _controls(self, predictions: StoredPredictions) -> Iterator[_Control]:
        return iter(()) if self.rule == "off" else _controls(predictions, self.matches)


def _controls(predictions: StoredPredictions, models: Iterable[str]) -> Iterator[_Control]:
    for model in models:
        cell = Cell(model, CONTROL)
        if predictions.finished([cell]):
            outputs = predictions.outputs(cell)
            readable = (outputs.predicted >= 0) & predictions.distinct
            if readable.any():
                yield _control(model, predictions.labels_of(model)[readable], outputs.classes[readable])


def _control(model: str, labels: NDArray[np.int64], answers: NDArray[np.int64]) -> _Control:
    right, chance = int((labels == answers).sum()), statistics.chance_agreement(labels, answers)
    better = statistics.better_than_guessing(labels, answers)
    return _Control(model, right, len(labels), len(np.unique(labels)), chance, better)


def vacuous(predictions: StoredPredictions, model: str) -> str:
    """Return why a PASS of ``model`` would say nothing: it is no better than guessing. Empty where it is better."""
    found = next(_controls(predictions, [model]), None)
    if found is None or not found.like_guessing:
        return ""
    return f"{found.text}, and what is no better than guessing has nothing to lose ({_LENIENT})"
