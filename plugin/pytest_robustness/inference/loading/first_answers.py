"""Ask a model for its first answers: how many outputs it has, how many images it takes, whether neighbours matter."""

from __future__ import annotations

import dataclasses
import logging
import re
from typing import TYPE_CHECKING

import torch
from torch import nn

from pytest_robustness.core.errors import ModelError, cause, message
from pytest_robustness.core.generators import GENERATORS, restored
from pytest_robustness.core.text import counted
from pytest_robustness.inference.loading.asked import ALONE, ROUNDING, SEVERAL, Asked, distance, require_same_answers
from pytest_robustness.inference.loading.read_as_logits import probability_text, require_probabilities
from pytest_robustness.inference.logits import logits_of
from pytest_robustness.inference.preprocess import to_inputs
from pytest_robustness.models.present_weights import require_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_robustness.core import Model, Preprocess

_log = logging.getLogger(__name__)

# Sizes that are tried of a model that takes neither one image nor three, after those that it names itself.
_USUAL_SIZES = (2, 4, 8, 16, 32, 64, 128)
_MOST_PIXELS = 64 * 224 * 224
_LARGEST_SIZE = 1024
# Up to this distance a model is judged, with a note: activations that are quantized by the range of their batch.
_SMALL = 5e-2
# Pixels are from 0 to 1: a larger mean or a much larger deviation is of pixels from 0 to 255.
_LARGEST_MEAN = 1.5
_LARGEST_STD = 10.0
# Errors that an image of another size does not lead to, nor avoid: they are of the model's code, or of its files. An
# assertion may be of a size, as timm's are, and an index out of range too; so may any error of an engine's own.
_NOT_OF_SIZES = (
    *(NameError, AttributeError, ImportError, KeyError, OSError, TypeError),
    *(NotImplementedError, RecursionError, SyntaxError),
)


@dataclasses.dataclass(frozen=True, eq=False)
class FirstAnswers:
    """What a model's first answers show.

    ``model`` takes any number of images and returns a tensor, wrapped where it does not by itself; ``outputs`` is the
    number of its logits; ``warnings`` are for the user.
    """

    model: Model
    outputs: int
    warnings: tuple[str, ...]


def first_answers(name: str, model: Model, canvas: torch.Tensor) -> FirstAnswers:
    """Run ``model`` on one canvas (uint8 [3, H, W]) and on variants of it, in several batches.

    Raises
    ------
    ModelError
        It cannot run on such images, does not return one row of logits for each, or answers otherwise when the same
        image comes again or in another batch.
    """
    require_weights(name, model.module)
    with restored(GENERATORS):
        return _first_answers(name, model, canvas)


def _first_answers(name: str, model: Model, canvas: torch.Tensor) -> FirstAnswers:
    inputs = to_inputs(_variants(canvas), model.preprocess)
    whole = Behind(model.module, model.output_offset) if model.output_offset else model.module
    asked = Asked(whole, inputs)
    warnings = [*_normalization_texts(name, model.preprocess), *_border_texts(name, model.preprocess, canvas)]
    size = _batch_size(name, asked)
    most = size or _most_images(model.module)
    if most is not None:
        asked = Asked(FixedBatch(whole, most, filled=size is not None), inputs)
    if size is not None:
        warnings.append(f"{name} takes batches of {counted(size, 'image')} alone, and gets those")
    # In the other order than before, so that what counts calls does not count the same ones.
    alone, several = asked.logits(*ALONE), asked.logits(*SEVERAL)
    require_same_answers(name, asked)
    away = distance(alone, several[1:2], several)
    if away > ROUNDING:
        warnings.append(_neighbours_text(name, asked, away, bool(alone[0].argmax() == several[1].argmax())))
    module = asked.module if asked.plain else LogitsOf(asked.module)
    if model.probabilities:
        require_probabilities(name, torch.cat([several, alone]), whole=not model.output_offset)
        module = Logarithms(module)
    elif looks := probability_text(name, model, torch.cat([several, alone])):
        warnings.append(looks)
    if module is not model.module:
        model = dataclasses.replace(model, module=module, output_offset=0, probabilities=False)
    return FirstAnswers(model, int(alone.shape[1]), tuple(warnings))


class FixedBatch(nn.Module):
    """Runs a module that takes batches of one size: cuts batches to it, and repeats the last image in one too short.

    Without ``filled``, the module takes smaller ones, too.
    """

    def __init__(self, module: nn.Module, size: int, *, filled: bool = True) -> None:
        super().__init__()
        self.module = module
        self.size = size
        self.filled = filled

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of ``images``, however many there are."""
        missing = -len(images) % self.size if self.filled else 0
        filled = torch.cat([images, images[-1:].expand(missing, *images.shape[1:])])
        parts = [logits_of(self.module(part.clone()), len(part)) for part in torch.split(filled, self.size)]
        return torch.cat(parts)[: len(images)]


class Behind(nn.Module):
    """Drops the leading outputs of a module: a background class, say."""

    def __init__(self, module: nn.Module, dropped: int) -> None:
        super().__init__()
        self.module = module
        self.dropped = dropped

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of ``images`` that remain."""
        logits = logits_of(self.module(images), len(images))
        if logits.shape[1] <= self.dropped:
            raise ModelError(f"it has an output_offset of {self.dropped}, but {logits.shape[1]} outputs.")
        return logits[:, self.dropped :]


class Logarithms(nn.Module):
    """Takes the logarithm of a module's probabilities, of which a softmax makes the same probabilities again."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits of ``images``; of a probability that was rounded to 0 they are the lowest."""
        found: torch.Tensor = self.module(images).float()
        return found.clamp_min(torch.finfo(torch.float32).tiny).log()


class LogitsOf(nn.Module):
    """Returns the logits alone of a module that returns an object with them."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of ``images``."""
        return logits_of(self.module(images), len(images))


def _variants(canvas: torch.Tensor) -> torch.Tensor:
    """Return three images that differ: the canvas, darker and turned round, inverted."""
    return torch.stack([canvas, canvas.flip(-1) // 2, 255 - canvas])


def _batch_size(name: str, asked: Asked) -> int | None:
    """Return the one batch size that the module takes; ``None`` where any will do.

    Raises
    ------
    ModelError
        It can be run on no number of images, or only on several because they are normalized by one another.
    """
    several, alone = asked.error(*SEVERAL), asked.error(*ALONE)
    if several is None and alone is None:
        return None
    if alone is None:
        return 1
    if "per channel when training" in message(alone):  # batch normalization refuses to normalize one value by itself
        raise ModelError(_refusal(name, "its batch normalization is in training mode")) from alone
    for size in _sizes(asked, alone):
        places = [place % len(asked.inputs) for place in range(size)]
        if asked.error(*places) is None:
            return size
    what = f"a first image, an input of shape {(1, *asked.inputs.shape[1:])}: {cause(alone).removesuffix('.')}"
    if isinstance(alone, ModelError):
        said = message(alone)
        # What an engine says of its file is a sentence of its own.
        raise ModelError(f"{name} {said.removeprefix('it ')}" if said.startswith("it ") else said) from alone
    advice = ""
    if not isinstance(alone, _NOT_OF_SIZES):
        advice = " If the size is wrong, give the model a Preprocess(resize=..., crop=...)."
    if asked.takes_one_channel():
        advice = (
            " It takes images of one channel, and these have red, green and blue: let its forward begin with "
            "images = images.mean(1, keepdim=True), or with images[:, :1] where they are grey."
        )
    raise ModelError(f"{name} failed on {what}.{advice}") from alone


def _normalization_texts(name: str, preprocess: Preprocess) -> Iterator[str]:
    """Yield the warning of a mean or a standard deviation that is far beyond pixels from 0 to 1.

    It is no error: nothing forbids it, and the doctor is asked about such a model.
    """
    mean, std = preprocess.mean, preprocess.std
    if max(mean) <= _LARGEST_MEAN and max(std) <= _LARGEST_STD:
        return
    of_pixels = max(std) >= 1  # a deviation below that was scaled already
    scaled = {"mean": [value / 255 for value in mean], "std": [value / 255 if of_pixels else value for value in std]}
    written = ", ".join(f"{key}=({', '.join(f'{value:.4g}' for value in values)})" for key, values in scaled.items())
    yield (
        f"{name} has the mean {_numbers(mean)} and the standard deviation {_numbers(std)}, as of pixels from 0 to 255, "
        f"but it gets pixels from 0 to 1. Write {written}."
    )


def _border_texts(name: str, preprocess: Preprocess, canvas: torch.Tensor) -> Iterator[str]:
    """Yield the warning of a crop that is larger than the images, which all have the size of the first one.

    It is no error: torchvision's centre crop does the same, and a network may be trained on such images.
    """
    height, width = canvas.shape[-2:]
    crop = preprocess.crop
    if crop is not None and crop > min(height, width):
        yield (
            f"{name} crops {crop}x{crop} pixels out of images of {width}x{height} (width x height), so that these get "
            f"a black border. Set resize to {crop} to enlarge them, or leave them as they are with crop=None (null in "
            f"a sidecar)."
        )


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


def _sizes(asked: Asked, error: Exception) -> Iterable[int]:
    """Return the batch sizes to try: those in the graph and in the error, then the usual ones."""
    most = min(_LARGEST_SIZE, max(2, _MOST_PIXELS // asked.inputs.shape[-2:].numel()))
    sizes = list(_graph_sizes(asked.module))
    if not isinstance(error, ModelError):  # not where it ran, and returned other rows than those asked for
        sizes += sorted({int(number) for number in re.findall(r"\b\d{1,4}\b", message(error))})
        sizes += _USUAL_SIZES
    return [size for size in dict.fromkeys(sizes) if 1 < size <= most]


def _graph_sizes(module: nn.Module) -> Iterator[int]:
    """Yield numbers in an exported or scripted graph that may be its batch size, the likeliest first."""
    if isinstance(module, torch.fx.GraphModule):
        yield from (side for side in _batch_sides(module) if isinstance(side, int))
    elif isinstance(module, torch.jit.ScriptModule):
        constants = re.findall(r"prim::Constant\[value=(\d{1,4})\]", str(module.inlined_graph))
        yield from sorted({int(number) for number in constants})


def _most_images(module: nn.Module) -> int | None:
    """Return the most images that an exported graph takes, as by ``Dim("batch", max=8)``; ``None`` for any number."""
    for side in _batch_sides(module) if isinstance(module, torch.fx.GraphModule) else ():
        if isinstance(side, torch.SymInt) and (known := side.node.shape_env) is not None:
            most = known.bound_sympy(side.node.expr).upper
            return int(most) if most < _LARGEST_SIZE else None
    return None


def _batch_sides(graph: torch.fx.GraphModule) -> Iterator[int | torch.SymInt]:
    """Yield the first side of each input that may be images."""
    for node in graph.graph.nodes:
        value = node.meta.get("val")
        if node.op == "placeholder" and isinstance(value, torch.Tensor) and value.dim() == 4:
            yield value.shape[0]


def _neighbours_text(name: str, asked: Asked, away: float, same_class: bool) -> str:
    """Return the warning of a model whose answer to an image changed by ``away`` in another batch.

    Raises
    ------
    ModelError
        The change is more than a little, or is one of the image's place.
    """
    repeated = asked.logits(1, 1, 1)
    by_place = distance(repeated, repeated[:1].expand_as(repeated))
    if by_place > ROUNDING:
        raise ModelError(
            f"{name} answers an image by its place in its batch: the logits of the same image differ by {by_place:.1%} "
            f"of their size. Where forward draws random numbers that it has seeded, draw those of one image alone, and "
            f"give every image the same: torch.rand(images.shape[1:], generator=...)."
        )
    if away <= _SMALL and same_class:
        return f"{name}: logits differ by {away:.1%} of their size with the other images in the batch"
    raise ModelError(_refusal(name, f"the logits of an image differ by {away:.0%} of their size with its neighbours"))


def _refusal(name: str, what: str) -> str:
    return (
        f"{name} answers an image by the others in its batch: {what}. Call .eval() in the factory (before an export, "
        f"too), keep running statistics, and compute no softmax, mean or maximum over the batch."
    )
