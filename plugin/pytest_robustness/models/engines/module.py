"""Wrap a model file and the inference engine that runs it as a PyTorch module.

A model's fingerprint covers the source of `EngineModule`: to edit it, even its docstring, changes the store's keys.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.core import SETTINGS, Model
from pytest_robustness.core.errors import ModelError
from pytest_robustness.core.text import counted
from pytest_robustness.models.engines.integers import input_quantization, of_pixels, require_scale
from pytest_robustness.models.fingerprint import identified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import Origin, Setting
    from pytest_robustness.core.file_hashes import FileHashes
    from pytest_robustness.models.engines.integers import Port, Quantization
    from pytest_robustness.models.engines.sidecar import Sidecar

    Arrays = Sequence[NDArray[np.generic]]

# Stands in for a probability that an engine rounded to 0, whose logarithm would be infinite.
_FLOOR = torch.finfo(torch.float32).tiny
# How far below 0 a probability may be that was quantized.
_STEPS = 0.05
# Said of a graph with another number of inputs or outputs.
ONE_EACH = "an image classifier has one. Export it with images as its only input and the logits as its only output."


@dataclasses.dataclass(frozen=True)
class Signature:
    """The input and the output of a graph; ``softmax`` says whether it ends in one."""

    input: Port
    output: Port
    softmax: bool


class Engine(Protocol):
    """A graph in a file, and the engine that runs it."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def signature(self) -> Signature:
        """The input and the output of the graph."""

    def without_number(self) -> str:
        """Return the name of the first weight that holds NaN; empty where none does."""

    def start(self, device: torch.device, threads: int) -> Callable[[Arrays], Arrays]:
        """Load the graph for ``device``, with ``threads`` for the part that is computed on the CPU.

        Returns
        -------
        A function from batches, in the graph's own shape and dtype, to the graph's output for each.
        """


class EngineModule(nn.Module):
    """Maps float images [B, 3, H, W], preprocessed, to float32 logits [B, K] by a graph that PyTorch cannot see into.

    The engine is started anew when the device or PyTorch's number of threads is another than for the last batch. What
    was started stays behind when the module is copied or pickled: the copy reads the file again.

    Raises
    ------
    ModelError
        The graph is no classifier of RGB images.
    """

    def __init__(self, engine: Engine, sidecar: Sidecar) -> None:
        super().__init__()
        path, signature = engine.path, engine.signature
        self.engine = engine
        self.sidecar = sidecar
        self.channels_last = _channels_last(path, signature.input)
        self.input_quantization = input_quantization(path, signature.input, normalized=sidecar.normalizes)
        # What stands for the normalization that an integer input wants, by its scale, and the sidecar does not give.
        self.stand_in = None if sidecar.normalizes else of_pixels(signature.input)
        # Any other integer input without a normalization takes pixels; a signed one has them moved by 128.
        self.takes_pixels = not (signature.input.is_float or sidecar.normalizes or self.stand_in)
        self.output_quantization = _output_quantization(path, signature.output)
        if len(signature.output.shape) == 1:  # of other ranks the file may say anything of the number of rows
            _require_rows(path, signature.output.shape, signature.input.shape[0])
        self.probabilities = signature.softmax if sidecar.probabilities is None else sidecar.probabilities
        self._infer: Callable[[Arrays], Arrays] | None = None
        self._started_for: tuple[torch.device, int] | None = None

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width of the input; ``None`` where any will do."""
        _, *sides = self.engine.signature.input.shape
        height, width = sides[:2] if self.channels_last else sides[1:]
        return height, width

    def start(self, device: torch.device) -> Callable[[Arrays], Arrays]:
        """Return what runs the graph on ``device``, started if it is not yet."""
        wanted = (device, torch.get_num_threads())
        if self._infer is None or wanted != self._started_for:
            self._infer, self._started_for = self.engine.start(*wanted), wanted
        return self._infer

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of ``images`` on their device, less the outputs that are dropped."""
        inputs = self._encode(images.float())
        batches = _batches(inputs, self.engine.signature.input.shape[0])
        answers = self.start(images.device)([batch.numpy(force=True) for batch in batches])
        for part, batch in zip(answers, batches, strict=True):
            _require_rows(self.engine.path, part.shape, len(batch))
        answer = torch.cat([torch.from_numpy(part) for part in answers])[: len(images)]
        return self._decode(answer.to(images.device).flatten(1))

    def _encode(self, images: torch.Tensor) -> torch.Tensor:
        dtype: torch.dtype = getattr(torch, self.engine.signature.input.dtype)
        if self.takes_pixels:
            # Resized as pixels, too: quantized nets are sensitive to how these are rounded.
            pixels = self._resized((images * 255).round().clamp(0, 255).to(torch.uint8))
            inputs = pixels if dtype == torch.uint8 else (pixels.short() - 128).to(dtype)
        elif self.input_quantization is not None:
            inputs = self.input_quantization.encode(self._resized(images), dtype)
        else:
            inputs = self._resized(images).to(dtype)
        return (inputs.permute(0, 2, 3, 1) if self.channels_last else inputs).contiguous()

    def _resized(self, images: torch.Tensor) -> torch.Tensor:
        sides = [fixed or own for fixed, own in zip(self.size, images.shape[2:], strict=True)]
        return tvf.resize(images, sides, antialias=True)  # the same images where their size is right

    def _decode(self, answer: torch.Tensor) -> torch.Tensor:
        quantization = self.output_quantization
        values = answer.float() if quantization is None else quantization.decode(answer)
        values = values[:, self.sidecar.offset(values.shape[1]) :]
        return _logarithms(self.engine.path, values) if self.probabilities else values

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_infer": None, "_started_for": None}


def engine_model(engine: Engine, files: Iterable[Path], sidecar: Sidecar, runtime: str, hashes: FileHashes) -> Model:
    """Return the model that consists of ``files`` and runs in ``engine``, which reports call ``runtime``."""
    module = EngineModule(engine, sidecar)
    module.start(torch.device("cpu"))
    model = _described(module, sidecar, runtime)
    contents = [hashes.digest(path) for path in (*files, *sidecar.files)]
    extra = repr((runtime, engine.signature, contents)).encode()
    # Not where the files lie, and not what was started.
    given = (engine, sidecar, module._infer, module._started_for)
    return identified(model, extra, hashes=hashes, given=given)


def with_sidecar(model: Model, sidecar: Sidecar) -> Model:
    """Return a model file as another sidecar describes it, without a fingerprint; what was started is shared.

    Raises
    ------
    TypeError
        The module is none of an engine.
    ModelError
        The graph cannot take what the sidecar says.
    """
    own = model.module
    if not isinstance(own, EngineModule):
        raise TypeError(f"a model file is run by an EngineModule; got {type(own).__name__}")
    module = EngineModule(own.engine, sidecar)
    module._infer, module._started_for = own._infer, own._started_for
    return _described(module, sidecar, model.runtime)


def _described(module: EngineModule, sidecar: Sidecar, runtime: str) -> Model:
    """Return the model of ``module``, with what its sidecar and its input say of it."""
    height, width = module.size
    side = None if height is None or width is None else max(height, width)
    preprocess = sidecar.preprocess(side)
    if module.takes_pixels:
        # The type of the input says that there is no normalization.
        preprocess = dataclasses.replace(preprocess, mean=(0.0,) * 3, std=(1.0,) * 3)
    elif module.stand_in is not None:
        mean, std = module.stand_in
        preprocess = dataclasses.replace(preprocess, mean=(mean,) * 3, std=(std,) * 3)
    assumed = [*([] if module.stand_in is None else ["mean", "std"]), *([] if sidecar.sized else ["size"])]
    origins = _origins(sidecar, pixels=module.takes_pixels)
    return Model(module, preprocess, sidecar.classes, runtime=runtime, assumed=assumed, origins=origins)


def _origins(sidecar: Sidecar, *, pixels: bool) -> dict[Setting, Origin]:
    """Return where the settings come from that file or sidecar give; ``pixels`` says that the input takes these."""
    given = {*sidecar.values, *(["size"] if sidecar.sized else []), *([] if sidecar.classes is None else ["classes"])}
    found: dict[Setting, Origin] = {setting: "sidecar" for setting in SETTINGS if setting in given}
    return {"mean": "file", "std": "file", **found} if pixels else found


def _batches(inputs: torch.Tensor, size: int | None) -> Sequence[torch.Tensor]:
    """Cut ``inputs`` into batches of the one size that the graph takes; the last repeats its last image if short."""
    if size is None:
        return [inputs]
    missing = -len(inputs) % size
    return torch.split(torch.cat([inputs, inputs[-1:].expand(missing, -1, -1, -1)]), size)


def _channels_last(path: Path, port: Port) -> bool:
    _, *rest = port.shape if len(port.shape) == 4 else (None, 0, 0, 0)
    if rest[0] == 3 or (rest[0] is None and rest[2] != 3):
        return False
    if rest[2] == 3:
        return True
    grey = " Export the network behind images.mean(1, keepdim=True), which makes one channel of the three."
    raise ModelError(
        f"The input of {path} has the shape {_shown(port.shape)}; it must be [N, 3, H, W] or [N, H, W, 3], RGB images."
        f"{grey if 1 in rest else ''}"
    )


def _output_quantization(path: Path, port: Port) -> Quantization | None:
    if port.is_float:
        return None
    if port.quantization is None:
        raise ModelError(
            f"The output of {path} is {port.dtype} without a scale; it must be the logits or the probabilities of the "
            f"classes, as floats or quantized."
        )
    require_scale(path, port)
    return port.quantization


def _logarithms(path: Path, probabilities: torch.Tensor) -> torch.Tensor:
    """Return logits whose softmax is those ``probabilities``, but for a constant factor."""
    least = float(probabilities.min())
    if least < -_STEPS:
        raise ModelError(
            f"{path} is said to give probabilities, but it gave numbers down to {least:.3g}. Leave probabilities out "
            f"of {path}.json."
        )
    return probabilities.clamp_min(_FLOOR).log()


def _require_rows(path: Path, shape: Sequence[int | None], images: int | None) -> None:
    """Raise `ModelError` unless an output of ``shape`` has a row for each of ``images``; ``None`` for any number."""
    if len(shape) < 2 or shape[0] != images:
        batch = "any number of images" if images is None else counted(images, "image")
        raise ModelError(
            f"The output of {path} has the shape {_shown(shape)} for {batch}; it must be [N, K], a row of K values "
            f"for each image. Export it without what squeezes or joins the rows."
        )


def _shown(shape: Sequence[int | None]) -> str:
    return f"[{', '.join('?' if side is None else str(side) for side in shape)}]"
