"""Running out of memory: recognize it, whichever library reports it, and free what is free."""

from __future__ import annotations

import gc
import sys

import torch

# In messages of libraries that have no exception type for it: PyTorch's CPU allocator, cuBLAS, cuDNN, CUDA, ONNX
# Runtime, and C++.
_SIGNS = (
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "out of memory",
    "Failed to allocate memory",
    "std::bad_alloc",
)


class BatchTooLargeError(Exception):
    """A batch did not fit into memory; a smaller one may."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether ``error``, or an error that led to it, reports a lack of memory: compilers wrap inner errors."""
    if error is None:
        return False
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(sign in str(error) for sign in _SIGNS):
        return True
    return is_out_of_memory(error.__cause__ or error.__context__)


def free_memory(device: torch.device) -> None:
    """Forget what was compiled, collect garbage, and return PyTorch's unused memory to ``device``.

    PyTorch's compiler keeps each program that it made as long as the code lives which it is of, with the memory of its
    CUDA graph: smaller batches, for which another is made, would find less and less room.
    """
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is not None:
        dynamo.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
