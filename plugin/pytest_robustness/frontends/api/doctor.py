"""Find the one setting of a model's set-up that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from pytest_robustness.analysis.limits import require_alpha, require_points
from pytest_robustness.core.arithmetic import numpy_defaults
from pytest_robustness.core.defaults import UNNAMED_DATA
from pytest_robustness.core.errors import OptionError, unknown
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.core.undoing import interrupts_undone
from pytest_robustness.core.user_code import forget_changed
from pytest_robustness.frontends.api.arguments import options_from
from pytest_robustness.frontends.api.given import given
from pytest_robustness.frontends.session.diagnosing import Rules, Subject, diagnosis_of
from pytest_robustness.frontends.session.options import DOCTOR_FIELDS
from pytest_robustness.frontends.session.progress import LineProgress, SilentProgress, to_stderr
from pytest_robustness.inference.user_calls.aspects import every_aspect
from pytest_robustness.models import ModelZoo

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Unpack

    from pytest_robustness.analysis.diagnosis import Diagnosis

_OPTIONS: Final = tuple(field for field in DOCTOR_FIELDS if field != "data")


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


@interrupts_undone(every_aspect)
@numpy_defaults
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
    return diagnosis_of(_subject(model, data, options), Rules(images, margin, alpha), shown)


def _require_valid(images: object, margin: float, alpha: float, options: Mapping[str, object]) -> None:
    if isinstance(images, bool) or not isinstance(images, int) or images < 2:
        raise OptionError(f"images is {images!r}. Valid: a whole number of images, 2 or more, such as 256.")
    require_points("margin", margin)
    require_alpha(alpha)
    for option in options:
        if option not in _OPTIONS:
            raise OptionError(unknown("argument", option, ("images", "margin", "alpha", *_OPTIONS)))


def _subject(model: object, data: Any, options: Mapping[str, Any]) -> Subject:
    """Return the one model and the data that the doctor's arguments name."""
    found = given(_by_name(model), data)
    name = str(next(iter(found.models), model))
    named = {"models": [name], "data": data if found.data is None else UNNAMED_DATA}
    chosen = options_from({**named, **options}, Path.cwd())
    forget_changed()
    hashes = FileHashes(chosen.store.with_suffix(".hashes"))
    zoo = ModelZoo(chosen.weights_dir, chosen.trust_pickle, hashes, found.models, chosen.clip_templates)
    names = zoo.expand([name])
    if len(names) > 1:
        raise OptionError(f"{name} names {len(names)} models; the doctor examines one. Name one of {', '.join(names)}.")
    return Subject(names[0], zoo, chosen, found.data)


def _by_name(model: object) -> object:
    """Return a model's name as it is, and an object by a name."""
    from collections.abc import Mapping

    if isinstance(model, Mapping) and len(model) != 1:
        raise OptionError(f"The doctor examines one model; got {len(model)}.")
    return model if isinstance(model, str | Mapping) else {"model": model}
