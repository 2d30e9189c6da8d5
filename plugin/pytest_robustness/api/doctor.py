"""Find the one setting of a model's set-up that is wrong."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

from pytest_robustness.analysis.diagnosis import judging
from pytest_robustness.analysis.diagnosis.remembered import remember_diagnosis
from pytest_robustness.api.arguments import options_from
from pytest_robustness.api.given import NAME, given
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.core.user_code import forget_changed
from pytest_robustness.errors import DataError, ModelError, OptionError, cause, unknown
from pytest_robustness.models import ModelZoo
from pytest_robustness.session.progress import LineProgress, SilentProgress, to_stderr

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from pytest_robustness.analysis.diagnosis import Diagnosis
    from pytest_robustness.analysis.diagnosis.judging import Judged
    from pytest_robustness.core import DataSource, Model, Progress, Selection
    from pytest_robustness.inference.doctor.asking import Asked, Examination
    from pytest_robustness.inference.doctor.mistakes import Mistake
    from pytest_robustness.inference.user_calls import UserCalls
    from pytest_robustness.session.options import Options

_log = logging.getLogger(__name__)

_OPTIONS: Final = ("seed", "device", "timeout", "store", "weights_dir", "trust_pickle", "clip_templates", "download")


class DoctorOptions(TypedDict, total=False):
    """The keyword arguments of `doctor` that are options of a run too; docs/options.md says what each does."""

    seed: int
    device: str
    timeout: float | None
    store: str | os.PathLike[str]
    weights_dir: str | os.PathLike[str]
    trust_pickle: bool
    clip_templates: str | os.PathLike[str]
    download: bool


def doctor(
    model: str | Mapping[str, Any] | Any,
    data: Any = None,
    *,
    images: int = 256,
    margin: float = 10.0,
    alpha: float = 0.05,
    progress: bool = True,
    **options: Unpack[DoctorOptions],
) -> Diagnosis:
    """Find the one setting of a model's set-up that is wrong, and say what to write.

    The usual mistakes are tried one at a time: order of channels, scale, mean and standard deviation, squash or crop,
    sizes, interpolation, antialiasing, layout, a background class, the order of classes. The store remembers the
    diagnosis.

    Parameters
    ----------
    model
        A name, as ``--robustness-models`` takes it; or a `pytest_robustness.Model` or a ``torch.nn.Module``, or one of
        these by a name of your choice, ``{"mine": net}``.
    data
        As `evaluate` takes it. Left out: the embedded digits.
    images
        How many images to ask about at most, as many of each class.
    margin
        A difference of accuracy, in points, that may go unseen.
    alpha
        The level of the tests, after Holm's correction for all that is tried.
    progress
        Whether to say on standard error how far it is.
    **options
        Options of a run, by name: ``seed``, ``device``, ``timeout``, ``store``, ``weights_dir``, ``trust_pickle``,
        ``clip_templates``, ``download``.

    Returns
    -------
    Diagnosis
        The verdict, what to write, and a row for everything that was tried.

    Raises
    ------
    OptionError
        On an argument that is not known, or whose value is not valid.
    DataError
        The data cannot be read, or has no labels.
    ModelError
        The model cannot be loaded, or runs in no way that was tried.
    """
    _require_valid(images, margin, alpha, options)
    shown = LineProgress(to_stderr) if progress else SilentProgress()
    return _examined(_subject(model, data, options), _Rules(images, margin, alpha), shown)


class _Rules(NamedTuple):
    images: int
    margin: float
    alpha: float


class _Subject(NamedTuple):
    """The model's name and what loads it; ``source`` is the data where a program had it already."""

    name: str
    zoo: ModelZoo
    options: Options
    source: DataSource | None


def _require_valid(images: object, margin: float, alpha: float, options: Mapping[str, object]) -> None:
    if isinstance(images, bool) or not isinstance(images, int) or images < 2:
        raise OptionError(f"images is {images!r}. Valid: a whole number of images, 2 or more, such as 256.")
    if not 0 < margin < 100:
        raise OptionError(f"margin is {margin}. Valid: points between 0 and 100, such as 10.")
    if not 0 < alpha < 1:
        raise OptionError(f"alpha is {alpha}. Valid: a number between 0 and 1, such as 0.05.")
    for option in options:
        if option not in _OPTIONS:
            raise OptionError(unknown("argument", option, ("images", "margin", "alpha", *_OPTIONS)))


def _subject(model: object, data: Any, options: Mapping[str, Any]) -> _Subject:
    """Return the one model and the data that the doctor's arguments name."""
    found = given(_by_name(model), data)
    name = str(next(iter(found.models), model))
    named = {"models": [name], "data": data if found.data is None else NAME}
    chosen = options_from({**named, **options}, Path.cwd())
    forget_changed()
    hashes = FileHashes(chosen.store.with_suffix(".hashes"))
    zoo = ModelZoo(chosen.weights_dir, chosen.trust_pickle, hashes, found.models, chosen.clip_templates)
    names = zoo.expand([name])
    if len(names) > 1:
        raise OptionError(f"{name} names {len(names)} models; the doctor examines one. Name one of {', '.join(names)}.")
    return _Subject(names[0], zoo, chosen, found.data)


def _by_name(model: object) -> object:
    """Return a model's name as it is, and an object by a name."""
    from collections.abc import Mapping

    if isinstance(model, Mapping) and len(model) != 1:
        raise OptionError(f"The doctor examines one model; got {len(model)}.")
    return model if isinstance(model, str | Mapping) else {"model": model}


def _examined(subject: _Subject, rules: _Rules, shown: Progress) -> Diagnosis:
    from pytest_robustness.inference.user_calls import unwrapped

    with unwrapped():
        return _diagnosis(subject, rules, shown)


def _diagnosis(subject: _Subject, rules: _Rules, shown: Progress) -> Diagnosis:
    from pytest_robustness.inference.device import resolve_device
    from pytest_robustness.inference.doctor.asking import Examination
    from pytest_robustness.inference.doctor.prescription import prescription
    from pytest_robustness.inference.store import Store
    from pytest_robustness.inference.user_calls import UserCalls

    name, zoo, options, source = subject
    device = resolve_device(options.device)
    calls = UserCalls(shown.note, timeout=options.timeout)
    selection = _selection(options, zoo, source, rules.images, calls)
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


def _selection(options: Options, zoo: ModelZoo, source: DataSource | None, images: int, calls: UserCalls) -> Selection:
    """Return at most so many images, as many of each class."""
    import numpy as np

    from pytest_robustness import data
    from pytest_robustness.core import Selection

    if source is None:
        data.check(options.data)
    with calls.call(options.data, "when it was opened", error=DataError):
        opened = source or data.open_source(options.data, download=options.download)
        classes = max(1, len(np.unique(opened.labels)))
        indices = data.select(opened, max(1, images // classes), options.seed)
    if not len(indices):
        raise DataError(f"{opened.name} holds no image.")
    if len(indices) > images:
        indices = np.sort(np.random.default_rng(options.seed).permutation(indices)[:images])
    return Selection(opened, indices, opened.labels[indices], data.identities(opened, indices, zoo.hashes))


def _loaded(name: str, zoo: ModelZoo, calls: UserCalls) -> Model:
    from pytest_robustness.inference.model_loading import open_model

    try:
        return open_model(name, zoo, calls).model
    except (ModelError, DataError, OptionError):
        raise
    except Exception as error:
        raise ModelError(f"{name} cannot be loaded: {cause(error)}") from error


def _tried(
    examination: Examination, model: Model, selection: Selection, rules: _Rules
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

    def __init__(self, examination: Examination, as_given: Mistake, rules: _Rules) -> None:
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
