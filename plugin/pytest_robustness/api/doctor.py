"""Find the one setting of a model's set-up that is wrong."""

from __future__ import annotations

import contextlib
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
from pytest_robustness.errors import DataError, ModelError, OptionError, cause, unknown
from pytest_robustness.models import ModelZoo

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from pytest_robustness.analysis.diagnosis import Diagnosis
    from pytest_robustness.analysis.diagnosis.judging import Judged
    from pytest_robustness.core import DataSource, Model, Selection
    from pytest_robustness.inference.doctor.asking import Asked, Examination
    from pytest_robustness.inference.doctor.mistakes import Mistake
    from pytest_robustness.inference.user_calls import UserCalls
    from pytest_robustness.session.options import Options

_log = logging.getLogger(__name__)

_OPTIONS: Final = ("seed", "device", "timeout", "store", "weights_dir", "trust_pickle", "download")


class DoctorOptions(TypedDict, total=False):
    """The keyword arguments of `doctor` that are options of a run too; the README's table says what each does."""

    seed: int
    device: str
    timeout: float | None
    store: str | os.PathLike[str]
    weights_dir: str | os.PathLike[str]
    trust_pickle: bool
    download: bool


def doctor(
    model: str | Mapping[str, Any] | Any,
    data: Any = None,
    *,
    images: int = 256,
    margin: float = 10.0,
    alpha: float = 0.05,
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
    **options
        Options of a run, by name: ``seed``, ``device``, ``store``, ``weights_dir``, ``download``.

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
    found = given(_by_name(model), data)
    name = str(next(iter(found.models), model))
    named = {"models": [name], "data": data if found.data is None else NAME}
    chosen = options_from({**named, **options}, Path.cwd())
    hashes = FileHashes(chosen.store.with_suffix(".hashes"))
    zoo = ModelZoo(chosen.weights_dir, chosen.trust_pickle, hashes, found.models)
    names = zoo.expand([name])
    if len(names) > 1:
        raise OptionError(f"{name} names {len(names)} models; the doctor examines one. Name one of {', '.join(names)}.")
    return _examined(names[0], zoo, chosen, found.data, _Rules(images, margin, alpha))


class _Rules(NamedTuple):
    images: int
    margin: float
    alpha: float


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


def _by_name(model: object) -> object:
    """Return a model's name as it is, and an object by a name."""
    from collections.abc import Mapping

    if isinstance(model, Mapping) and len(model) != 1:
        raise OptionError(f"The doctor examines one model; got {len(model)}.")
    return model if isinstance(model, str | Mapping) else {"model": model}


def _examined(name: str, zoo: ModelZoo, options: Options, source: DataSource | None, rules: _Rules) -> Diagnosis:
    from pytest_robustness.inference.device import resolve_device
    from pytest_robustness.inference.doctor.asking import Examination
    from pytest_robustness.inference.doctor.prescription import prescription
    from pytest_robustness.inference.store import Store
    from pytest_robustness.inference.user_calls import UserCalls

    device = resolve_device(options.device)
    calls = UserCalls(_log.info, timeout=options.timeout)
    selection = _selection(options, zoo, source, rules.images, calls)
    model = _loaded(name, zoo, calls)
    examination = Examination(name, model, selection, calls, device, options.seed)
    examination.leave_out_unreadable()
    control, found, winner = _tried(examination, model, selection, rules.alpha)
    mend = None if winner is None else prescription(name, model, winner.asked.mistake.changes)
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    names, labels = (name, selection.source.name), examination.labels
    found_out = judging.diagnosed(names, labels, control, found, winner, mend, margin=rules.margin, when=when)
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
    examination: Examination, model: Model, selection: Selection, alpha: float
) -> tuple[Asked, list[Judged], Judged | None]:
    """Return control's answers, everything that was tried, and what restores accuracy, if anything does.

    What one change restores, a second one may restore further. Where none does and the model guesses, the strongest
    are tried two at a time.
    """
    from pytest_robustness.inference.doctor.mistakes import Mistake, usual_mistakes
    from pytest_robustness.inference.doctor.set_up import given as given_set_up

    side = min(examination.first_image().shape[-2:])
    mistakes = usual_mistakes(given_set_up(model, selection.classes, side))
    control, *others = examination.ask(Mistake("control", "as given", {}), mistakes, judging.may_be_best)
    labels = examination.labels
    found = judging.judged(labels, control, others)
    if control.error and all(asked.error for asked in others):
        raise ModelError(control.error)
    winner = judging.restoring(found, len(labels), alpha)
    if winner is not None:
        second = _second(examination, winner, mistakes, len(found), alpha)
        if second is not None:
            # Against the set-up as given, not against the first change alone.
            [winner] = judging.judged(labels, control, [second.asked])
            found = [winner, *found]
        return control, found, winner
    if judging.guesses(labels, control):
        strongest = [each.asked.mistake for each in judging.candidates(found)]
        pairs = [a.joined(b) for a, b in itertools.combinations(strongest, 2) if _apart(a, b)]
        _, *asked = examination.ask(control.mistake, pairs, judging.may_be_best)
        found = judging.judged(labels, control, [*others, *asked])
        winner = judging.restoring(found, len(labels), alpha)
    return control, found, winner


def _second(
    examination: Examination, winner: Judged, mistakes: Sequence[Mistake], tried: int, alpha: float
) -> Judged | None:
    """Return what restores accuracy further once ``winner`` is mended; ``None`` where nothing does."""
    first = winner.asked.mistake
    more = [first.joined(mistake) for mistake in mistakes if _apart(first, mistake)]
    mended, *others = examination.ask(first, more, judging.may_be_best)
    labels = examination.labels
    return judging.restoring(judging.judged(labels, mended, others), len(labels), alpha, besides=tried)


def _apart(one: Mistake, other: Mistake) -> bool:
    return one.changes.keys().isdisjoint(other.changes)
