"""Examine one model's set-up: images -> answers under other set-ups -> the diagnosis, which the store remembers."""

from __future__ import annotations

import contextlib
import functools
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness import data
from pytest_robustness.analysis.diagnosis import judging
from pytest_robustness.analysis.diagnosis.remembered import remember_diagnosis
from pytest_robustness.core.errors import DataError, ModelError, OptionError, cause
from pytest_robustness.core.process import quick_imports
from pytest_robustness.inference.selection import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.diagnosis import Diagnosis
    from pytest_robustness.analysis.diagnosis.judged import Judged
    from pytest_robustness.core import DataSource, Model, Progress, Selection
    from pytest_robustness.frontends.session.options import Options
    from pytest_robustness.inference.doctor.asking import Asked, Examination
    from pytest_robustness.inference.doctor.mistakes import Mistake
    from pytest_robustness.inference.user_calls.calls import UserCalls
    from pytest_robustness.models import ModelZoo


class Rules(NamedTuple):
    """How many images are asked about at most, the difference that may go unseen in points, the level of the tests."""

    images: int
    margin: float
    alpha: float


class Subject(NamedTuple):
    """The model's name, what loads it, and the options of a run; ``given`` is the data where it need not be opened."""

    name: str
    zoo: ModelZoo
    options: Options
    given: DataSource | None


def diagnosis_of(subject: Subject, rules: Rules, shown: Progress) -> Diagnosis:
    """Return the diagnosis of a model's set-up, and have the store remember it.

    Raises
    ------
    OptionError
        There is no such device or dataset.
    DataError
        The data cannot be read, or has no labels.
    ModelError
        The model cannot be loaded, or runs in no way that was tried.
    """
    from pytest_robustness.inference.user_calls.handlers import unwrapped

    with unwrapped():
        return _diagnosis(subject, rules, shown)


def _diagnosis(subject: Subject, rules: Rules, shown: Progress) -> Diagnosis:
    from pytest_robustness.inference.device import resolve_device
    from pytest_robustness.inference.doctor.asking import Examination
    from pytest_robustness.inference.doctor.prescription import prescription
    from pytest_robustness.inference.store.store import Store
    from pytest_robustness.inference.user_calls.calls import UserCalls

    name, zoo, options = subject.name, subject.zoo, subject.options
    device = resolve_device(options.device)
    calls = UserCalls(shown.note, timeout=options.timeout)
    selection = _selection(subject, rules.images, calls)
    zoo.name_classes(selection.source.classes)
    model = _loaded(name, zoo, calls)
    examination = Examination(name, model, selection, calls, device, options.seed, shown.note)
    examination.leave_out_unreadable()
    control, found, winner = _tried(examination, model, selection, rules)
    mend = None if winner is None else prescription(name, model, winner.asked.mistake.changes)
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    names, labels = (name, selection.source.name), examination.labels
    found_out = judging.diagnosed(
        names, labels, control, found, winner, mend, margin=rules.margin, alpha=rules.alpha, when=when
    )
    with contextlib.closing(Store(options.store)) as store:
        remember_diagnosis(store, found_out, model.fingerprint, model.preprocess, selection.source.classes)
    return found_out


def _selection(subject: Subject, most: int, calls: UserCalls) -> Selection:
    options, given = subject.options, subject.given
    if given is None:
        data.check(options.data)
    with calls.call(options.data, "when it was opened", error=DataError):
        return select(
            options.data,
            limit=None,
            most=most,
            seed=options.seed,
            download=options.download,
            hashes=subject.zoo.hashes,
            given=given,
        )


def _loaded(name: str, zoo: ModelZoo, calls: UserCalls) -> Model:
    with quick_imports():
        from pytest_robustness.inference.loading.model_loading import open_model

    try:
        return open_model(name, zoo, calls).model
    except (ModelError, DataError, OptionError):
        raise
    except Exception as error:
        raise ModelError(f"{name} cannot be loaded: {cause(error)}") from error


def _tried(
    examination: Examination, model: Model, selection: Selection, rules: Rules
) -> tuple[Asked, list[Judged], Judged | None]:
    """Return control's answers, everything that was tried, and what restores accuracy, if anything does.

    What one change restores, a second one may restore further. Where none does and the model guesses, the strongest
    are tried two at a time.
    """
    from pytest_robustness.inference.doctor.mistakes import Mistake, usual_mistakes
    from pytest_robustness.inference.doctor.set_up import given as given_set_up

    side = min(examination.first_image().shape[-2:])
    mistakes = usual_mistakes(given_set_up(model, selection.classes, side))
    rounds = _Rounds(examination, Mistake("control", "as given", {}), rules)
    winner = rounds.ask(mistakes)
    control = rounds.control
    if control.error and all(judged.trial.error for judged in rounds.found):
        raise ModelError(control.error)
    if winner is not None:
        return control, *rounds.extended(winner, mistakes)
    if judging.guesses(examination.labels, control):
        strongest = [each.asked.mistake for each in judging.candidates(rounds.found)]
        winner = rounds.ask([a.joined(b) for a, b in itertools.combinations(strongest, 2) if a.apart(b)])
    return control, rounds.found, winner


class _Rounds:
    """Rounds of trials, each against a set-up that is the control of the round; the first is that of the model."""

    def __init__(self, examination: Examination, as_given: Mistake, rules: Rules) -> None:
        self._examination = examination
        self._as_given = as_given
        self._rules = rules
        self._tried = 0
        self.control: Asked
        self.found: list[Judged] = []

    def ask(self, mistakes: Sequence[Mistake]) -> Judged | None:
        """Try ``mistakes`` against the set-up as given; return what restores accuracy."""
        labels = self._examination.labels
        self.control, judged = self._judged(self._as_given, mistakes)
        self.found = judging.judged(labels, self.control, [each.asked for each in (*self.found, *judged)])
        return judging.restoring(self.found, len(labels), self._rules.alpha)

    def extended(self, winner: Judged, mistakes: Sequence[Mistake]) -> tuple[list[Judged], Judged]:
        """Return everything that was tried, and ``winner`` with a second change where that is better still.

        The second change may show that the first is better made in another way.
        """
        first = winner.asked.mistake
        failed = {each.asked.mistake.words for each in self.found if each.trial.error}
        others = [mistake for mistake in mistakes if mistake.words not in failed]
        second = self._further(first, [first.joined(other) for other in others if first.apart(other)])
        if second is None:
            return self.found, winner
        more = second.asked.mistake.without(first)
        alike = [other.joined(more) for other in others if not first.apart(other) and other.apart(more)]
        third = self._further(second.asked.mistake, alike)
        # Against the set-up as given, not against the first change alone.
        labels, last = self._examination.labels, (second if third is None else third).asked
        [winner] = judging.judged(labels, self.control, [last])
        return [winner, *self.found], winner

    def _further(self, base: Mistake, mistakes: Sequence[Mistake]) -> Judged | None:
        besides = self._tried
        _, judged = self._judged(base, mistakes)
        return judging.restoring(judged, len(self._examination.labels), self._rules.alpha, besides)

    def _judged(self, base: Mistake, mistakes: Sequence[Mistake]) -> tuple[Asked, list[Judged]]:
        keep = functools.partial(judging.may_be_best, margin=self._rules.margin)
        control, *others = self._examination.ask(base, mistakes, keep)
        self._tried += len(others)
        return control, judging.judged(self._examination.labels, control, others)
