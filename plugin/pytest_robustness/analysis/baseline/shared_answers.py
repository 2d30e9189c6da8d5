"""The answers of a baseline to the images of a run: in that run's order, for the images that both have."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.answers import Overlap
from pytest_robustness.analysis.answers.churn import Given, churn, in_order_of, named
from pytest_robustness.analysis.baseline.skill import skill_lost
from pytest_robustness.analysis.predictions import Answers, Outputs, counts_of
from pytest_robustness.core import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_robustness.analysis.answers import ImageSet
    from pytest_robustness.analysis.answers.churn import AnswerChurn
    from pytest_robustness.analysis.baseline.baseline import Baseline, BaselineModel
    from pytest_robustness.analysis.predictions import AnswerSource, Counts
    from pytest_robustness.core import Cell, Condition


class SharedAnswers:
    """Gives a baseline's answers for a run's images; an image that the baseline lacks counts as unreadable there.

    Parameters
    ----------
    baseline
        The baseline.
    images
        Those of the run.
    """

    def __init__(self, baseline: Baseline, images: ImageSet) -> None:
        self.overlap = Overlap(baseline.images, images)
        self._baseline = baseline
        self._skill_lost: dict[str, str] = {}

    @property
    def readable_before(self) -> NDArray[np.bool_]:
        """The images of the baseline that it could read, in its own order: bool [N]."""
        return self._baseline.readable

    @cached_property
    def readable(self) -> NDArray[np.bool_]:
        """The images of the run that the baseline has and could read: bool [N]."""
        return self._aligned(self._baseline.readable)

    @cached_property
    def apart(self) -> NDArray[np.bool_]:
        """The images of the run that the baseline lacks or could not read, copies once: bool [N]."""
        return self.overlap.distinct[1] & ~self.readable

    def right(self, model: BaselineModel, condition: Condition) -> NDArray[np.bool_]:
        """Return which images of the run a model of the baseline got right: bool [N]."""
        return self.readable & self._aligned(model.right(condition, self._baseline.images.labels))

    def classes(self, model: BaselineModel, condition: Condition) -> NDArray[np.int64]:
        """Return the class that a model of the baseline took each image of the run for, copies once: int64 [N].

        It is -1 where the answer names none of the run's classes, and -2 where the image is not compared.
        """
        outputs = Outputs(model.answers[condition].astype(np.int32), in_order_of(self.overlap, model.outputs))
        found = np.append(outputs.classes, -2)[self.overlap.positions]
        return np.where(self.readable & self.overlap.compared, found, -2)

    def skill_lost(self, name: str, before: BaselineModel, now: Outputs, labels: NDArray[np.int64]) -> str:
        """Return in words whether a model of the run lost the skill that its counterpart has; found out once for each.

        Parameters
        ----------
        name, before
            The model, and its counterpart.
        now
            What the model answers without any transform.
        labels
            The class of each image of the run: int64 [N].
        """
        if name not in self._skill_lost:
            self._skill_lost[name] = skill_lost(self.classes(before, CONTROL), now.classes, labels)
        return self._skill_lost[name]

    def churn(self, model: BaselineModel, condition: Condition, now: Outputs, labels: NDArray[np.int64]) -> AnswerChurn:
        """Count which answers of a run are others than those of a model of the baseline, to copies once.

        Parameters
        ----------
        model, condition
            Whose answers they are compared with.
        now
            The run's answers, and which output stands for each of its classes.
        labels
            The classes of the run's images: int64 [N].
        """
        here = np.flatnonzero(self.readable & self.overlap.compared & (now.predicted >= 0))
        there, outputs = self.overlap.positions[here], in_order_of(self.overlap, model.outputs)
        right = now.predicted == now.targets[labels]
        return churn(
            Given(named(model.answers[condition], outputs, now.targets)[there], self.right(model, condition)[here]),
            Given(named(now.predicted, now.targets, outputs)[here], right[here]),
        )

    def of_models(self, models: Mapping[str, BaselineModel], run: AnswerSource) -> AnswerSource:
        """Return the answers of the baseline's ``models`` under the names that their counterparts have in ``run``.

        The same test can be made of both: copies count once in either.
        """
        return _Renamed(self, models, run, self.readable)

    def compared(self, models: Mapping[str, BaselineModel], run: AnswerSource) -> tuple[AnswerSource, AnswerSource]:
        """Return what is compared: the same answers without copies of an image, and those of ``run``.

        Images that the first lacks are no part of a comparison, so copies count once, whatever is compared.
        """
        return _Renamed(self, models, run, self.readable & self.overlap.compared), run

    def _aligned(self, of_baseline: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return what is true of the baseline's images in the order of the run's; false where it lacks one."""
        # Position -1 is the entry that is appended.
        return np.append(of_baseline, np.False_)[self.overlap.positions]


class _Renamed:
    def __init__(
        self,
        shared: SharedAnswers,
        models: Mapping[str, BaselineModel],
        run: AnswerSource,
        readable: NDArray[np.bool_],
    ) -> None:
        self._shared = shared
        self._readable = readable
        self._models = models
        self.class_names = run.class_names
        self._run = run

    @property
    def distinct(self) -> NDArray[np.bool_]:
        """The run's images, of several copies the first: bool [N]."""
        return self._run.distinct

    def labels_of(self, model: str) -> NDArray[np.int64]:
        """Return the classes of the run's images."""
        return self._run.labels_of(model)

    def answers(self, cell: Cell) -> Answers:
        """Return the answers of the counterpart of the cell's model."""
        right = self._shared.right(self._models[cell.model], cell.condition)
        return Answers(self._readable, right & self._readable)

    def counts(self, cell: Cell) -> Counts:
        """Return the same, counted by class."""
        return counts_of(self.answers(cell), self.labels_of(cell.model), len(self.class_names))
