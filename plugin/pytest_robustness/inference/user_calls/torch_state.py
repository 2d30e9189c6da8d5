"""PyTorch's settings for the whole process, which a user's code may change: aspects for `core.process_state`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import _C, multiprocessing
from torch.nn.modules import module as module_hooks

from pytest_robustness.core.process_state import Aspect
from pytest_robustness.inference.precision import Products

_AUTOCAST_DEVICES: Final = ("cpu", "cuda")
_BACKENDS: Final = (
    ("torch.backends.cudnn", torch.backends.cudnn, ("enabled", "benchmark", "deterministic", "benchmark_limit")),
    ("torch.backends.mkldnn", torch.backends.mkldnn, ("enabled", "deterministic")),
    ("torch.backends.quantized", torch.backends.quantized, ("engine",)),
    ("torch.backends.opt_einsum", torch.backends.opt_einsum, ("enabled", "strategy")),
    (
        "torch.backends.cuda.matmul",
        torch.backends.cuda.matmul,
        ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction", "allow_fp16_accumulation"),
    ),
)
_FILL: Final[Any] = torch.utils.deterministic
_ATTENTION: Final = ("flash", "mem_efficient", "math", "cudnn")
_HOOKS: Final = (
    "_global_forward_pre_hooks",
    "_global_forward_hooks",
    "_global_forward_hooks_always_called",
    "_global_forward_hooks_with_kwargs",
)
_PATCHABLE: Final = (
    torch.nn.functional,
    torch.Tensor,
    torch.nn.Module,
    torch.nn.Linear,
    torch.nn.Conv2d,
    torch.nn.BatchNorm2d,
    torch.nn.ReLU,
    torch.nn.LayerNorm,
)
# An inference mode that was left on ends when its guard is destroyed; this holds the guard that ends it here.
_guards: list[Any] = []


def _autocast() -> list[tuple[bool, torch.dtype]]:
    return [(torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in _AUTOCAST_DEVICES]


def _restore_autocast(before: list[tuple[bool, torch.dtype]]) -> None:
    for kind, (enabled, dtype) in zip(_AUTOCAST_DEVICES, before, strict=True):
        torch.set_autocast_enabled(kind, enabled)
        torch.set_autocast_dtype(kind, dtype)
    torch.clear_autocast_cache()


def _autocast_nesting() -> int:
    torch.autocast_increment_nesting()
    return torch.autocast_decrement_nesting()


def _restore_autocast_nesting(before: int) -> None:
    while _autocast_nesting() > before:
        torch.autocast_decrement_nesting()
    while _autocast_nesting() < before:
        torch.autocast_increment_nesting()


def _restore_inference_mode(before: bool) -> None:
    guard: Any = _C._InferenceMode(before)
    guard.__enter__()
    _guards.append(guard)


def _modes() -> tuple[int, int]:
    return _C._len_torch_function_stack(), _C._len_torch_dispatch_stack()


def _restore_modes(before: tuple[int, int]) -> None:
    while _C._len_torch_function_stack() > before[0]:
        _C._pop_torch_function_stack()
    while _C._len_torch_dispatch_stack() > before[1]:
        _C._pop_torch_dispatch_stack()


def _default_device() -> torch.device | None:
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else context.device


def _deterministic() -> tuple[bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        _FILL.fill_uninitialized_memory,
    )


def _restore_deterministic(before: tuple[bool, bool, bool]) -> None:
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    _FILL.fill_uninitialized_memory = before[2]


def _backend(name: str, backend: Any, attributes: tuple[str, ...]) -> Aspect:
    def restore(before: list[Any]) -> None:
        for attribute, value in zip(attributes, before, strict=True):
            if getattr(backend, attribute, None) != value:
                setattr(backend, attribute, value)

    return Aspect(name, lambda: [getattr(backend, attribute, None) for attribute in attributes], restore)


def _attention() -> list[bool]:
    return [getattr(torch.backends.cuda, f"{kind}_sdp_enabled")() for kind in _ATTENTION]


def _restore_attention(before: list[bool]) -> None:
    for kind, enabled in zip(_ATTENTION, before, strict=True):
        getattr(torch.backends.cuda, f"enable_{kind}_sdp")(enabled)


def _flushes_denormals() -> bool:
    # PyTorch can set this flag of the processor, not read it.
    return bool(np.float32(1e-40) * np.float32(1) == 0)


def _hooks() -> list[dict[int, Any]]:
    return [dict(getattr(module_hooks, name)) for name in _HOOKS]


def _restore_hooks(before: list[dict[int, Any]]) -> None:
    for name, hooks in zip(_HOOKS, before, strict=True):
        current = getattr(module_hooks, name)
        current.clear()
        current.update(hooks)


_ORIGINALS: Final = {owner: dict(vars(owner)) for owner in _PATCHABLE}


def _replaced() -> list[tuple[Any, str]]:
    """Return the functions of PyTorch that are not those which it was imported with."""
    return [
        (owner, name)
        for owner, originals in _ORIGINALS.items()
        for name, original in originals.items()
        if vars(owner).get(name) is not original and callable(original)
    ]


def _restore_functions(before: list[tuple[Any, str]]) -> None:
    for owner, name in _replaced():
        if (owner, name) not in before:
            setattr(owner, name, _ORIGINALS[owner][name])


# Read in some 10 µs: for each batch.
QUICK: Final = (
    Aspect("autocast", _autocast, _restore_autocast),
    Aspect("autocast", _autocast_nesting, _restore_autocast_nesting),
    Aspect("PyTorch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Aspect("grad mode", torch.is_grad_enabled, torch.set_grad_enabled),
    Aspect("inference mode", torch.is_inference_mode_enabled, _restore_inference_mode),
    Aspect("PyTorch's number of threads", torch.get_num_threads, torch.set_num_threads),
)
ASPECTS: Final = (
    *QUICK,
    # A default device is a mode as well: it is restored first, and what remains is popped.
    Aspect("modes of torch functions", _modes, _restore_modes),
    Aspect("PyTorch's default device", _default_device, torch.set_default_device),
    Aspect("deterministic algorithms", _deterministic, _restore_deterministic),
    *(_backend(*backend) for backend in _BACKENDS),
    Aspect("the precision of fp32 products", Products.read, Products.apply),
    Aspect("kernels of attention", _attention, _restore_attention),
    Aspect("nnpack", _C._get_nnpack_enabled, _C._set_nnpack_enabled),
    Aspect("denormal numbers", _flushes_denormals, torch.set_flush_denormal),
    Aspect("autograd's anomaly mode", torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    Aspect("hooks of all modules", _hooks, _restore_hooks),
    Aspect("functions of PyTorch", _replaced, _restore_functions),
    Aspect("how tensors are shared", multiprocessing.get_sharing_strategy, multiprocessing.set_sharing_strategy),
)
