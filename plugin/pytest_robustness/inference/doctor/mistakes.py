"""The usual mistakes in a model's set-up: each with what to write in the place of what is given."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_robustness.core import ClassLabel, Preprocess

_Three = tuple[float, ...]
_Statistics = tuple[_Three, _Three]

_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CIFAR: Final = ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616))
_CLIP: Final = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_ZERO, _HALF, _ONE = (0.0,) * 3, (0.5,) * 3, (1.0,) * 3
_PIXELS: Final = (1 / 255,) * 3
# Sides of the inputs of published classifiers.
_SIDES: Final = (32, 64, 96, 128, 160, 192, 224, 227, 240, 256, 288, 299, 384)
# The side of the crop as a share of the shorter side that it is cut from.
_SHARES: Final = (1.0, 0.95, 0.875)
# Images with a shorter side are made for the networks that they go into.
_SMALLEST_PHOTOGRAPH: Final = 64
# Two normalizations are the same for a network if their inputs differ by no more than this share of their range.
_SAME: Final = 0.01


class Mistake(NamedTuple):
    """One setting in another way: the setting's name, the way in words, and the keys to write with their values.

    The keys are those of a sidecar, and the arguments of `Preprocess` and `Model`. ``None`` leaves a key out, except
    for a size, of which it means that of the data.
    """

    setting: str
    words: str
    changes: Mapping[str, Any]

    def joined(self, other: Mistake) -> Mistake:
        """Return both at once."""
        words = f"{self.words} and {other.words}"
        return Mistake(f"{self.setting} and {other.setting}", words, {**self.changes, **other.changes})

    def without(self, first: Mistake) -> Mistake:
        """Return what was joined to ``first``."""
        changes = {name: value for name, value in self.changes.items() if name not in first.changes}
        setting, words = (getattr(self, part).removeprefix(f"{getattr(first, part)} and ") for part in self._fields[:2])
        return Mistake(setting, words, changes)

    def apart(self, other: Mistake) -> bool:
        """Whether they change different things."""
        return self.changes.keys().isdisjoint(other.changes)


class GivenSetUp(NamedTuple):
    """What a model is set up with, and what it is asked about.

    ``engine`` says that it is a model file, ``integers`` that its graph takes integers, ``normalizes`` that these are
    of normalized values. ``offset`` is how many leading outputs are dropped, ``side`` the shorter side of an image.
    """

    preprocess: Preprocess
    classes: Sequence[str] | None
    offset: int
    data_classes: Sequence[ClassLabel]
    side: int
    engine: bool = False
    integers: bool = False
    normalizes: bool = True


def usual_mistakes(given: GivenSetUp) -> list[Mistake]:
    """Return every usual mistake that the set-up may be, each once; what changes nothing is left out."""
    found = [
        *_channels(given),
        *_polarity(given),
        *_normalizations(given),
        *_sizes(given),
        *_resampling(given),
        *_outputs(given),
    ]
    return _distinct(found, given.preprocess)


def _channels(given: GivenSetUp) -> Iterator[Mistake]:
    order = "RGB" if given.preprocess.channels == "BGR" else "BGR"
    yield Mistake("channel order", order, {"channels": order})
    if not given.engine:
        layout = "NCHW" if given.preprocess.layout == "NHWC" else "NHWC"
        yield Mistake("layout", layout, {"layout": layout})


def _polarity(given: GivenSetUp) -> Iterator[Mistake]:
    """Yield black for white, or white for black where a negative deviation has exchanged them."""
    if given.integers:
        return
    mean, std = _black_for_white(given.preprocess.mean, given.preprocess.std)
    yield Mistake("polarity", "black for white", {"mean": mean, "std": std})


def _normalizations(given: GivenSetUp) -> Iterator[Mistake]:
    """Yield other means and standard deviations, those that keep one of the given ones first."""
    own = tuple(given.preprocess.mean), tuple(given.preprocess.std)
    if given.integers and given.normalizes:
        yield Mistake("mean and std", "pixels as they are", {"mean": None, "std": None})
    known: list[_Statistics] = [own] if given.normalizes or not given.integers else []
    inverted = max(own[1]) < 0
    for words, *pair in _pairs(*(_black_for_white(*own) if inverted else own), given.side):
        mean, std = _black_for_white(*pair) if inverted else pair
        if any(_alike((mean, std), other) for other in known):
            continue
        known.append((mean, std))
        changes = {"mean": mean, "std": std}
        differing = [name for name, value, before in zip(changes, (mean, std), own, strict=True) if value != before]
        yield Mistake(" and ".join(differing) or "mean and std", words, changes)


def _pairs(mean: _Three, std: _Three, side: int) -> Iterator[tuple[str, _Three, _Three]]:
    """Yield words, mean and standard deviation."""
    yield "the std 1/255, pixels from 0 to 255", mean, _PIXELS
    yield "the std 1, pixels from 0 to 1", mean, _ONE
    yield "the mean of ImageNet", _IMAGENET[0], std
    yield "the mean 0.5", _HALF, std
    yield "the mean 0", _ZERO, std
    yield "the std of ImageNet", mean, _IMAGENET[1]
    if max(map(abs, (*mean, *std))) > 1.5:
        yield "mean and std as given, but of pixels from 0 to 255", _scaled(mean), _scaled(std)
    yield "mean and std of ImageNet", *_IMAGENET
    yield "mean and std 0.5", _HALF, _HALF
    yield "pixels from 0 to 1 as they are", _ZERO, _ONE
    yield "pixels from 0 to 255 as they are", _ZERO, _PIXELS
    yield "pixels from 0 to 255 less the mean of ImageNet", _IMAGENET[0], _PIXELS
    if side < _SMALLEST_PHOTOGRAPH:
        yield "mean and std of CIFAR-10", *_CIFAR
    else:
        yield "mean and std of CLIP", *_CLIP


def _black_for_white(mean: Sequence[float], std: Sequence[float]) -> _Statistics:
    """Return what normalizes 1 less a value as ``mean`` and ``std`` normalize the value."""
    return tuple(1 - value for value in mean), tuple(-value for value in std)


def _scaled(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(value / 255 for value in values)


def _alike(one: _Statistics, other: _Statistics) -> bool:
    """Return whether black and white come out nearly the same from both, in every channel."""
    return all(
        abs((pixel - mean) / std - (pixel - other_mean) / other_std) <= _SAME * max(1 / abs(std), 1 / abs(other_std))
        for mean, std, other_mean, other_std in zip(*one, *other, strict=True)
        for pixel in (0, 1)
    )


def _sizes(given: GivenSetUp) -> Iterator[Mistake]:
    preprocess = given.preprocess
    crop = preprocess.crop or preprocess.resize
    if crop is None:
        yield from _of_the_data(given)
        return
    resize = preprocess.resize
    if resize is not None:
        yield from _fits(preprocess, crop)
        for share in _SHARES:
            side = math.floor(crop / share)
            yield Mistake("resize", f"a shorter side of {side}", {"resize": side, "crop": crop})
    for side in _near(crop):
        larger = resize if resize is None or resize >= side else round(side * 256 / 224)
        what = "crop" if larger == resize else "resize and crop"
        words = f"a crop of {side}" if larger == resize else f"a crop of {side} from {larger}"
        yield Mistake(what, words, {"resize": larger, "crop": side})
    if given.side >= _SMALLEST_PHOTOGRAPH:
        yield Mistake("resize and crop", "a crop of 224 from 256", {"resize": 256, "crop": 224})
    yield Mistake("resize and crop", "the size of the data", {"resize": None, "crop": None, "squash": False})


def _fits(preprocess: Preprocess, crop: int) -> Iterator[Mistake]:
    if preprocess.squash:
        side = round(crop * 256 / 224)
        words = f"the centre of {crop} cut from a shorter side of {side}"
        yield Mistake("squash", words, {"squash": False, "resize": side, "crop": crop})
    else:
        words = f"the whole image squashed to {crop}"
        yield Mistake("squash", words, {"squash": True, "resize": crop, "crop": crop})


def _of_the_data(given: GivenSetUp) -> Iterator[Mistake]:
    """Yield sizes for a model that gets images as large as the data has them."""
    if given.side >= _SMALLEST_PHOTOGRAPH:
        for resize, crop in ((256, 224), (342, 299)):
            yield Mistake("resize and crop", f"a crop of {crop} from {resize}", {"resize": resize, "crop": crop})
    for side in _SIDES[:3]:
        if side != given.side:
            yield Mistake("resize and crop", f"a square of {side}", {"resize": side, "crop": side})


def _near(crop: int) -> list[int]:
    """Return the usual sides next to ``crop``: a smaller one, two larger ones."""
    smaller, larger = ([side for side in _SIDES if (side > crop) is above and side != crop] for above in (False, True))
    return [*smaller[-1:], *larger[:2]]


def _resampling(given: GivenSetUp) -> Iterator[Mistake]:
    if given.preprocess.resize is None:
        return
    for kind in ("bilinear", "bicubic"):
        yield Mistake("interpolation", kind, {"interpolation": kind})
    antialias = not given.preprocess.antialias
    yield Mistake("antialias", "antialiasing" if antialias else "no antialiasing", {"antialias": antialias})


def _outputs(given: GivenSetUp) -> Iterator[Mistake]:
    """Yield other orders of the classes, and another number of leading outputs that are none."""
    offset = 0 if given.offset else 1
    dropped = "the first output dropped, a background class" if offset else "no output dropped"
    yield Mistake("output offset", dropped, {"output_offset": offset})
    for words, names in _orders(given):
        yield Mistake("class order", words, {"classes": list(names)})


def _orders(given: GivenSetUp) -> Iterator[tuple[str, Sequence[str]]]:
    keys = [label.key for label in given.data_classes]
    names = list(keys if given.classes is None else given.classes)
    yield "the classes in alphabetical order", sorted(names)
    if all(name.isdecimal() for name in names):
        yield "the classes in the order of their numbers", sorted(names, key=int)
    if len(names) == len(keys):
        yield "the classes in the order of the data", keys
    yield "each class one output later", [*names[-1:], *names[:-1]]
    yield "each class one output earlier", [*names[1:], *names[:1]]
    if given.classes is None:
        yield "a last output that is no class of the data", [*keys, "(none)"]
        yield "a first output that is no class of the data", ["(none)", *keys]


def _distinct(found: Iterable[Mistake], preprocess: Preprocess) -> list[Mistake]:
    """Return those that change something, each change once."""
    kept: dict[str, Mistake] = {}
    for mistake in found:
        own = {name: getattr(preprocess, name) for name in mistake.changes if hasattr(preprocess, name)}
        if own and own == {**mistake.changes}:
            continue
        kept.setdefault(repr(sorted(mistake.changes.items())), mistake)
    return list(kept.values())
