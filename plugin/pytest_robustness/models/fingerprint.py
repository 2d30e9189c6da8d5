"""The hash of everything that a model's outputs depend on: finished cells are found again by it."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import io
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_robustness.records import Model

_PUBLISHED_CODE = frozenset({"torch", "torchvision", "builtins"})


def fingerprint(model: Model, extra: bytes = b"") -> str:
    """Return the SHA-256, in hex, of a model's weights, structure, code, preprocessing and classes.

    The code is the source of every class in the module tree that is defined outside torch and torchvision, so that two
    models with equal weights but another ``forward`` differ. ``extra`` is whatever else the outputs depend on, such as
    the file that defines the factory.
    """
    digest = hashlib.sha256()
    for part in _parts(model, extra):
        # Lengths keep the parts apart: ("ab", "c") is not ("a", "bc").
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _parts(model: Model, extra: bytes) -> Iterator[bytes | memoryview]:
    classes = None if model.classes is None else list(model.classes)
    for text in (str(model.module), repr(dataclasses.astuple(model.preprocess)), repr(classes)):
        yield text.encode()
    yield extra
    for source in _sources(model.module):
        yield source.encode()
    for name, value in _state(model.module):
        yield name.encode()
        yield from _value(value)


def _sources(module: nn.Module) -> list[str]:
    """Return the source of each distinct class, bases included; its name alone where there is no source to be had."""
    classes = {base for part in module.modules() for base in type(part).__mro__}
    return sorted(_source(cls) for cls in classes if cls.__module__.partition(".")[0] not in _PUBLISHED_CODE)


def _source(cls: type) -> str:
    try:
        return f"{cls.__qualname__}\n{inspect.getsource(cls)}"
    except (OSError, TypeError):
        return cls.__qualname__


def _state(module: nn.Module) -> Iterator[tuple[str, object]]:
    """Yield what the state dict holds, and the buffers that it leaves out."""
    state = module.state_dict()
    yield from state.items()
    yield from ((name, buffer) for name, buffer in module.named_buffers() if name not in state)


def _value(value: object) -> Iterator[bytes | memoryview]:
    if isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized:
        yield f"{value.dtype} {tuple(value.shape)}".encode()
        # One tensor at a time, and on the CPU without a copy: a model may be as large as the memory left.
        yield value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    else:
        buffer = io.BytesIO()
        torch.save(value, buffer)
        yield buffer.getbuffer()
