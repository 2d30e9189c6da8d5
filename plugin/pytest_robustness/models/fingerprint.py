"""Hash everything that a model's outputs depend on: the store's keys hold it."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import io
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_robustness.core import Model

_PUBLISHED_CODE = frozenset({"torch", "torchvision", "builtins"})
_MACHINERY = frozenset(vars(nn.Module()))
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.memory_format)
# Stops at this depth, because a structure may contain itself.
_DEEPEST = 8


def fingerprint(model: Model, extra: bytes = b"") -> str:
    """Return the SHA-256, in hex, of a model's weights, structure, code, preprocessing and classes.

    The code is the source of every class in the module tree that is defined outside torch and torchvision, so that two
    models with equal weights but different ``forward`` methods differ; for TorchScript and exported graphs it is the
    program itself. Plain attributes of modules, such as a number of heads or a mean, are hashed too. ``extra`` is
    anything else that the outputs depend on, such as the file that defines the factory.
    """
    digest = hashlib.sha256()
    for part in _parts(model, extra):
        # Lengths separate the parts: ("ab", "c") must differ from ("a", "bc").
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
    yield from _programs(model.module)
    for name, part in model.module.named_modules():
        for attribute, value in vars(part).items():
            if attribute not in _MACHINERY:
                yield f"{name}.{attribute}".encode()
                yield from _held(value)


def _programs(module: nn.Module) -> Iterator[bytes]:
    """Yield the programs in the tree that are not the source of a class."""
    if isinstance(module, torch.jit.ScriptModule):
        yield module.save_to_buffer()
        return
    if isinstance(module, torch.fx.GraphModule):
        yield module.code.encode()
    for child in module.children():
        yield from _programs(child)


def _held(value: object, depth: int = 0) -> Iterator[bytes | memoryview]:
    """Yield the content of plain values, arrays, tensors and structures of them; nothing for any other object."""
    if isinstance(value, _PLAIN):
        yield repr(value).encode()
    elif isinstance(value, torch.Tensor):
        if not value.is_meta:
            yield from _value(value)
    elif isinstance(value, np.ndarray | np.generic):
        if not value.dtype.hasobject:
            yield f"{value.dtype} {value.shape}".encode()
            yield value.tobytes()
    elif isinstance(value, set | frozenset):
        yield repr(sorted(repr(item) for item in value if isinstance(item, _PLAIN))).encode()
    elif isinstance(value, dict | list | tuple) and depth < _DEEPEST:
        items = [item for pair in value.items() for item in pair] if isinstance(value, dict) else value
        yield f"{type(value).__name__} {len(value)}".encode()
        for item in items:
            yield from _held(item, depth + 1)


def _sources(module: nn.Module) -> list[str]:
    """Return the source of each distinct class, bases included; its name alone if there is no source."""
    classes = {base for part in module.modules() for base in type(part).__mro__}
    return sorted(_source(cls) for cls in classes if cls.__module__.partition(".")[0] not in _PUBLISHED_CODE)


def _source(cls: type) -> str:
    try:
        return f"{cls.__qualname__}\n{inspect.getsource(cls)}"
    except (OSError, TypeError):
        return cls.__qualname__


def _state(module: nn.Module) -> Iterator[tuple[str, object]]:
    """Yield the entries of the state dict, then the buffers that it leaves out."""
    state = module.state_dict()
    yield from state.items()
    yield from ((name, buffer) for name, buffer in module.named_buffers() if name not in state)


def _value(value: object) -> Iterator[bytes | memoryview]:
    if isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized:
        yield f"{value.dtype} {tuple(value.shape)}".encode()
        # One tensor at a time, and on the CPU without a copy: the model may fill most of the memory.
        yield value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    else:
        buffer = io.BytesIO()
        torch.save(value, buffer)
        yield buffer.getbuffer()
