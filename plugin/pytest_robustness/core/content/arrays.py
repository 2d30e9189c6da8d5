"""The content of arrays, tensors and modules of PyTorch. Neither library is imported: who has a tensor has PyTorch."""

from __future__ import annotations

import functools
import inspect
import io
import logging
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.content.origin import Origin, origin_of_object
from pytest_robustness.core.content.plain import Content

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from torch import nn

    _Parts = list[tuple[str, object]]

_log = logging.getLogger(__name__)

# The compiler and the parallel runner of a module, besides the module that they run.
_RUNNERS = {"OptimizedModule": "_orig_mod", "DistributedDataParallel": "module"}


def content_of(value: object) -> Content | None:
    """Return the content of an array, a tensor, a module or a compiled function; ``None`` for any other object."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and hasattr(torch, "nn"):
        if isinstance(value, torch.nn.Module):
            return _module(torch, value)
        if isinstance(value, torch.Tensor):
            with torch._C.DisableTorchFunctionSubclass():  # which a user's class may have do anything
                return _with_own(_tensor(torch, value), value)
        if isinstance(value, torch.jit.ScriptFunction):
            return Content([b"program", value.save_to_buffer()])
        if isinstance(value, torch._ops.OperatorBase | torch._ops.OpOverloadPacket):
            return _operator(value, _definition(value))
        if isinstance(value, torch.library.CustomOpDef):
            return _operator(value, value)
    if numpy is not None and hasattr(numpy, "ndarray") and isinstance(value, numpy.ndarray | numpy.generic):
        return _with_own(_array(numpy, value), value, whole=isinstance(value, numpy.memmap))
    return None


def _with_own(content: Content, value: object, *, whole: bool = False) -> Content:
    """Return the content of an array with its attributes, and with its class where that is of a user or a package.

    ``whole`` says that attributes say nothing besides: those of a file in memory are its place, and how it was opened.
    """
    # The compiler of PyTorch marks tensors that it has met.
    attributes = {name: item for name, item in vars_of(value).items() if not name.startswith("_dynamo")}
    held: _Parts = [("", attributes)] if attributes and not whole else []
    if origin_of_object(value) in (Origin.USER, Origin.INSTALLED):
        held.append(("", type(value)))
    return content._replace(parts=[*held, *content.parts])


def _array(numpy: Any, value: np.ndarray[Any, Any] | np.generic) -> Content:
    header = f"{value.dtype!r} {value.shape}".encode()
    if value.dtype == object:
        return Content([b"objects", header], [("", item) for item in numpy.ravel(value).tolist()])
    if value.dtype.hasobject:
        return Content([b"fields", header], [("", item) for item in numpy.ravel(value).tolist()])
    if not value.dtype.itemsize or not value.size:
        return Content([b"array", header])
    flat = numpy.ascontiguousarray(value).reshape(-1).view(numpy.ndarray)
    return Content([b"array", header, flat.view(numpy.uint8).data])


def vars_of(value: object) -> dict[str, object]:
    """Return the attributes that ``value`` has a dictionary for; none if it has no dictionary."""
    attributes = getattr(value, "__dict__", None)
    return attributes if isinstance(attributes, dict) else {}


def _tensor(torch: Any, value: torch.Tensor) -> Content:
    header = f"{value.dtype} {tuple(value.shape)} {value.layout}".encode()
    if value.is_meta:
        return Content([b"meta", header])
    try:
        if hasattr(value, "__tensor_flatten__"):  # one that is made of others
            names, facts = value.__tensor_flatten__()
            return Content([b"tensors", header], [(name, getattr(value, name)) for name in names] + [("", facts)])
        if value.layout == torch.strided and not value.is_quantized:
            return Content([b"tensor", header, _bytes(torch, value)])
        buffer = io.BytesIO()
        torch.save(value.detach(), buffer)
        return Content([b"saved", header, buffer.getbuffer()])
    except Exception:
        _log.debug("a tensor of type %s cannot be read", type(value), exc_info=True)
        return Content([b"unread", header], lacks=True)


def _bytes(torch: Any, value: torch.Tensor) -> memoryview:
    # One tensor at a time, and on the CPU without a copy: the model may fill most of the memory.
    here = value.detach().cpu()
    if here.is_conj() or here.is_neg():
        here = here.resolve_conj().resolve_neg()
    view: memoryview = here.contiguous().view(-1).view(torch.uint8).numpy().data
    return view


def _module(torch: Any, module: nn.Module) -> Content:
    kind = type(module)
    if isinstance(module, torch.jit.ScriptModule):
        return Content([b"program", module.save_to_buffer()])
    runs = _RUNNERS.get(kind.__name__) if kind.__module__.startswith("torch.") else None
    if runs is not None:
        return Content([b"runner"], [(runs, getattr(module, runs))])
    # What every module has. Of this, what answers depend on is added by name.
    machinery = _machinery(torch.nn.Module)
    code = module.code if isinstance(module, torch.fx.GraphModule) else None
    # Each traced graph is of a class of its own, which is made of its code.
    parts: _Parts = [("", kind)] if code is None else [("", base) for base in kind.__bases__]
    parts += module._parameters.items()
    parts += module._buffers.items()
    parts += module._modules.items()
    parts += _own_state(torch, module)
    parts += [(name, item) for name, item in vars(module).items() if name not in machinery and _counts(name, code)]
    if code is not None:
        parts += _called(torch, module)
    for hooks in (module._forward_pre_hooks, module._forward_hooks):
        # Without their keys, which count all hooks of the process.
        parts += [("hook", hook) for hook in hooks.values()]
    own = f"module {module.training} {'|'.join([name for name, _ in parts])}"
    return Content([own.encode(errors="surrogatepass"), (code or "").encode()], parts)


@functools.cache
def _machinery(base: type[nn.Module]) -> frozenset[str]:
    return frozenset(vars(base()))


def _counts(name: str, code: str | None) -> bool:
    """Return whether an attribute counts: of a traced graph, only those that its code reads."""
    return code is None or f"self.{name}" in code


def _called(torch: Any, module: Any) -> _Parts:
    """Return the functions and operators that a traced graph calls, of which its code has the names alone.

    Graphs within it, those of ``torch.cond`` and the like, are its modules.
    """
    found: _Parts = []
    given: list[object] = []
    for node in module.graph.nodes:
        if node.op == "call_function":
            found.append((node.name, node.target))
        torch.fx.node.map_aggregate((node.args, node.kwargs), given.append)
    # Of what was no value of the graph while it was traced, such as a member of an enumeration, its code has the repr.
    given = [value for value in given if not isinstance(value, torch.fx.Node)]
    return found + [("", value) for value in given if callable(value) or origin_of_object(value) is Origin.USER]


def _operator(value: Any, defined: Any) -> Content:
    """Return the name of an operator of PyTorch's dispatcher, and the functions that ``custom_op`` made it of.

    Its caches and tables of kernels change while a process runs, and kernels that were registered otherwise are out of
    reach.
    """
    kernels = getattr(defined, "_backend_fns", {})
    parts: _Parts = [("", type(value)), ("kernel", getattr(defined, "_init_fn", None))]
    parts += [("kernel", _of_user(kernels[device])) for device in sorted(kernels, key=str)]
    return Content([b"operator", str(value).encode()], parts)


def _definition(value: Any) -> object:
    """Return what ``custom_op`` keeps of an operator; ``None`` where it did not define it."""
    schema = getattr(value, "_schema", None)
    name = schema.name if schema is not None else getattr(value, "_qualified_op_name", None)
    return getattr(sys.modules.get("torch._library.custom_ops"), "OPDEFS", {}).get(name)


def _of_user(kernel: Callable[..., object]) -> object:
    """Return the function of the user's around which PyTorch put one of its own."""
    inner = inspect.unwrap(kernel)
    return inspect.getclosurevars(inner).nonlocals.get("fn", inner)


def _own_state(torch: Any, module: nn.Module) -> _Parts:
    """Return what a module saves in a way of its own, such as packed weights or an extra state."""
    kind, base = type(module), torch.nn.Module
    same = ("_save_to_state_dict", "get_extra_state")
    if all(getattr(kind, name) is getattr(base, name) for name in same):
        return []
    state: Any = OrderedDict()
    state._metadata = OrderedDict()
    module._save_to_state_dict(state, "", keep_vars=True)
    return list(state.items())
