"""A model, and what it wants done to an image."""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast, get_args

from pytest_robustness.core.class_names import in_order
from pytest_robustness.core.text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

Interpolation = Literal["nearest", "nearest-exact", "bilinear", "bicubic"]
Channels = Literal["RGB", "BGR"]
Layout = Literal["NCHW", "NHWC"]
Setting = Literal["mean", "std", "size", "interpolation", "antialias", "classes"]
"""A part of a model's set-up; ``size`` is that of resize and crop, ``classes`` the order of the outputs."""
Origin = Literal["published", "file", "sidecar", "factory", "architecture", "data", "assumed", "unused"]
"""Where a part of a set-up comes from: ``published`` with the weights, ``file`` is the model's own, ``factory`` the
user's code, ``architecture`` what timm publishes for the architecture, whatever the weights are; ``data`` stands for
what the data says by itself, ``unused`` for what changes nothing."""
SETTINGS: Final[tuple[Setting, ...]] = get_args(Setting)

# A default is recognized by being this very object: equal numbers that were given are another one.
_ASSUMED: Final = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
# Joined when the module is imported: the text that somebody writes is another object.
_BILINEAR: Final = cast("Interpolation", "".join(("bi", "linear")))
_WORDS: Final = {
    "interpolation": ("an interpolation", ("bicubic", "bilinear", "nearest", "nearest-exact")),
    "channels": ("an order of channels", get_args(Channels)),
    "layout": ("a layout", get_args(Layout)),
}
# Settings that came later: keys that are older hold where these are left as they are.
_LATER: Final = {"squash": False, "channels": "RGB", "layout": "NCHW"}


class Canvas(NamedTuple):
    """How a decoded image becomes the uint8 RGB square that a transform sees.

    ``resize`` and ``crop`` are in pixels; ``None`` leaves the image as the data has it. The crop belongs to the canvas
    because the square is cut so that cropping it again gives, to the pixel, the model's published evaluation pipeline.
    ``squash`` makes a square of the whole image, whatever its sides, so that nothing is cut off.
    """

    resize: int | None
    crop: int | None
    interpolation: Interpolation
    antialias: bool
    squash: bool = False


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """What a model wants done to an image: resize the shorter side, crop the centre, scale to [0, 1], normalize.

    Parameters
    ----------
    resize
        Length of the shorter side, in pixels, before the crop. ``None``: the size that the data has.
    crop
        Side of the centre crop, in pixels. ``None``: the whole canvas.
    mean, std
        Of red, green and blue, for pixel values in [0, 1]; a standard deviation of 1/255 leaves them from 0 to 255.
        Left out, they are 0 and 1, and a report says that they were assumed. Numbers for pixels from 0 to 255 are to
        be divided by 255. A negative standard deviation gives black for white: a mean of 1 and a deviation of -1 give
        1 less each value.
    interpolation, antialias
        Of the resize.
    squash
        Resize both sides to ``resize``, whatever the image's proportions, and not the shorter side alone.
    channels
        The order in which the model gets red, green and blue, once they are normalized.
    layout
        Whether the model gets [B, 3, H, W] or [B, H, W, 3].

    Raises
    ------
    ValueError
        On a size that is no whole number or below 1, a crop larger than the resize, a standard deviation of 0, or a
        word that is not valid.
    """

    resize: int | None = None
    crop: int | None = None
    mean: Sequence[float] = _ASSUMED["mean"]
    std: Sequence[float] = _ASSUMED["std"]
    interpolation: Interpolation = _BILINEAR
    antialias: bool = True
    squash: bool = False
    channels: Channels = "RGB"
    layout: Layout = "NCHW"

    def __post_init__(self) -> None:
        for name, default in _ASSUMED.items():
            if getattr(self, name) is not default:
                object.__setattr__(self, name, _three_numbers(name, getattr(self, name)))
        if 0 in self.std:
            raise ValueError(f"std must not be 0; got {self.std}")
        for name in ("resize", "crop"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _pixels(name, getattr(self, name)))
        if self.resize is not None and self.crop is not None and self.crop > self.resize:
            raise ValueError(f"crop {self.crop} is larger than resize {self.resize}")
        if self.squash and self.resize is None:
            raise ValueError("squash needs a resize: the side of the square that images are squashed to")
        for name, (kind, known) in _WORDS.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{getattr(self, name)!r} is not {kind}. Known: {', '.join(known)}.")

    @property
    def canvas(self) -> Canvas:
        """The canvas that the model's transforms act on."""
        return Canvas(self.resize, self.crop, self.interpolation, self.antialias, self.squash)

    @property
    def parts(self) -> dict[str, Any]:
        """What results depend on, by name, for keys: every setting, but of the later ones those alone that are set."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if name not in _LATER or value != _LATER[name]}

    @property
    def written(self) -> dict[str, Any]:
        """The arguments that somebody gave, by name, as far as they can be told from what stands for those left out."""
        values = {field.name: (getattr(self, field.name), field.default) for field in dataclasses.fields(self)}
        return {name: value for name, (value, default) in values.items() if value is not default}

    @property
    def assumed(self) -> tuple[str, ...]:
        """Which of ``mean``, ``std`` and ``size`` were not given.

        Where anything of them was given, a missing resize is no assumption: it means the size that the data has.
        """
        normalization = tuple(name for name, default in _ASSUMED.items() if getattr(self, name) is default)
        nothing_given = len(normalization) == len(_ASSUMED) and self.resize is None and self.crop is None
        return (*normalization, "size") if nothing_given else normalization

    @property
    def given(self) -> frozenset[Setting]:
        """Which of the settings somebody gave; ``antialias`` counts as given where the interpolation is."""
        resized = self.interpolation is not _BILINEAR
        found: dict[Setting, bool] = {
            "mean": self.mean is not _ASSUMED["mean"],
            "std": self.std is not _ASSUMED["std"],
            "size": self.resize is not None or self.crop is not None,
            "interpolation": resized,
            "antialias": resized or not self.antialias,
        }
        return frozenset(setting for setting, known in found.items() if known)


def _pixels(name: str, size: int) -> int:
    if not hasattr(size, "__index__"):
        raise ValueError(f"{name} must be a whole number of pixels; got {size!r}")
    if size < 1:
        raise ValueError(f"{name} must be at least 1 pixel; got {size}")
    return operator.index(size)


def _three_numbers(name: str, given: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(value) for value in given)
    if len(values) != 3 or not all(map(math.isfinite, values)):
        raise ValueError(f"{name} needs three finite numbers, one per channel; got {values}")
    return values


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """An image classifier with what it needs to be judged.

    Parameters
    ----------
    module
        Maps float images [B, 3, H, W], preprocessed, to logits [B, K].
    preprocess
        What to do to an image first.
    classes
        The name or WordNet id of each of the K outputs, in order, less those that are dropped. ``None``: matched to the
        data by position. A mapping of names to numbers, or of numbers to names, is put in the order of the numbers.
    fingerprint
        Hash of everything that the outputs depend on besides ``preprocess``; left empty, it is computed on loading.
    runtime
        The inference engine that is part of ``module``, which then runs as it is, at the precision that it has. Left
        empty, any runtime may run the module.
    assumed
        Which of ``mean``, ``std`` and ``size`` whoever made the model had to assume; those that ``preprocess`` was not
        given are added. Reports warn of them. No fingerprint and no key depends on it.
    unhashed
        What the model holds and ``fingerprint`` does not cover, because Python cannot see into it:
        ``"net (InferenceSession)"``. A change there is not noticed by its hash.
    output_offset
        How many leading outputs to drop: 1 where a background class comes first.
    origins
        Where settings come from that neither the code that made the model gave nor the weights were published with;
        the others are found out on loading. No fingerprint and no key depends on it.
    probabilities
        Whether the module returns probabilities, as after a softmax, in the place of logits. Figures on probability
        are those then, divided by their sum.

    Raises
    ------
    TypeError
        On a preprocess that is no `Preprocess`, or classes that have no order or are no texts.
    ValueError
        On an offset that is no whole number or below 0.
    """

    module: torch.nn.Module
    preprocess: Preprocess = dataclasses.field(default_factory=Preprocess)
    classes: Sequence[str] | None = None
    fingerprint: str = ""
    runtime: str = ""
    assumed: Sequence[str] = ()
    unhashed: Sequence[str] = ()
    output_offset: int = 0
    origins: Mapping[Setting, Origin] = dataclasses.field(default_factory=dict)
    probabilities: bool = False

    def __post_init__(self) -> None:
        if not hasattr(self.output_offset, "__index__") or self.output_offset < 0:
            raise ValueError(f"output_offset must be a number of outputs, 0 or more; got {self.output_offset!r}")
        if not isinstance(self.preprocess, Preprocess):
            raise TypeError(f"preprocess must be a Preprocess(resize=..., crop=...); got {self.preprocess!r}")
        object.__setattr__(self, "assumed", tuple(dict.fromkeys([*self.preprocess.assumed, *self.assumed])))
        if self.classes is None:
            return
        try:
            entries = in_order(self.classes)
        except TypeError as error:
            raise TypeError(f"classes must be a list of names, one for each output; got {error}") from error
        object.__setattr__(self, "classes", entries)
        wrong = [entry for entry in entries if not isinstance(entry, str)]
        if wrong:
            raise TypeError(
                f"classes must be names or WordNet ids, as texts; got {quoted(wrong[0])}. Write str(...) of each."
            )
