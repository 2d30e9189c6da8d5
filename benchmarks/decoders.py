"""How many JPEG files a second each decoder decodes: one thread, several, processes with the hand-over, and nvJPEG."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_robustness.core import Shard
from pytest_robustness.data.decoding.decode import decode
from pytest_robustness.inference.device import to_device
from pytest_robustness.inference.loader.loader import Portion, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_robustness.core import Selection
    from pytest_robustness.inference.jobs import Job

    One = Callable[[bytes], object]
    Many = Callable[[list[bytes]], object]


def rates(files: list[bytes], device: torch.device, cores: int, least_seconds: float) -> dict[str, float | str]:
    """Return images per second by decoder, or why a decoder was not measured."""
    found: dict[str, float | str] = {}
    for name, load in (("Pillow", _pillow), ("torchvision", _torchvision), ("torchcodec", _torchcodec)):
        found[f"{name}, one thread"] = _measured(lambda load=load: _each(load()), files, least_seconds)
        if cores > 1:
            with ThreadPoolExecutor(cores) as pool:
                found[f"{name}, {cores} threads"] = _measured(
                    lambda load=load, pool=pool: _spread(load(), pool), files, least_seconds
                )
    for name, load_many in (("torchvision", _torchvision_cuda), ("torchcodec", _torchcodec_cuda)):
        found[f"{name}, nvJPEG"] = (
            _measured(lambda load_many=load_many: load_many(device), files, least_seconds)
            if device.type == "cuda"
            else "not measured: no CUDA device"
        )
    return found


def feeding_rate(selection: Selection, jobs: Sequence[Job], device: torch.device, workers: int, size: int) -> float:
    """Return images per second that a sweep's loader brings onto ``device``, from its second batch on.

    Read, decoded and put on the canvas in ``workers`` processes (0: in this one), handed over, and copied.
    """
    count = len(selection.indices)
    portion = Portion(Shard(0, count), np.arange(count), tuple(jobs), last=True)
    loaded = batches(selection, [portion], batch_size=size, workers=workers)
    started, images = None, 0
    for batch in loaded:
        for canvas in batch.canvases.values():
            to_device(canvas, device)
        if started is None:
            started = time.perf_counter()
        else:
            images += len(batch.positions)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    if started is None or not images:
        raise ValueError(f"{count} images in batches of {size} are one batch; a rate needs two")
    return images / (time.perf_counter() - started)


def _measured(load: Callable[[], Many], files: list[bytes], least_seconds: float) -> float | str:
    """Return images per second; why not, where a decoder is missing or fails."""
    try:
        with warnings.catch_warnings(action="ignore"):  # torchvision's decoders are deprecated
            decode_all = load()
            decode_all(files[:2])
            started, images = time.perf_counter(), 0
            while (spent := time.perf_counter() - started) < least_seconds:
                decode_all(files)
                images += len(files)
            return images / spent
    except Exception as error:  # a missing library, or one without this decoder
        reason = str(error).partition("\n")[0]
        return f"not measured: {type(error).__name__}: {reason}"


def _each(one: One) -> Many:
    return lambda files: [one(file) for file in files]


def _spread(one: One, pool: ThreadPoolExecutor) -> Many:
    return lambda files: list(pool.map(one, files))


def _pillow() -> One:
    return lambda file: decode(file, "file.jpg")


def _torchvision() -> One:
    from torchvision.io import ImageReadMode, decode_jpeg

    return lambda file: decode_jpeg(_as_tensor(file), ImageReadMode.RGB)


def _torchcodec() -> One:
    from torchcodec.decoders import decode_jpeg

    return lambda file: decode_jpeg(_as_tensor(file))


def _torchvision_cuda(device: torch.device) -> Many:
    from torchvision.io import ImageReadMode, decode_jpeg

    return lambda files: _waited(decode_jpeg([_as_tensor(file) for file in files], ImageReadMode.RGB, device=device))


def _torchcodec_cuda(device: torch.device) -> Many:
    from torchcodec.decoders import decode_jpeg

    return lambda files: _waited(decode_jpeg([_as_tensor(file) for file in files], device=device))


def _as_tensor(file: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(file), dtype=torch.uint8)


def _waited(images: Any) -> Any:
    torch.cuda.synchronize()
    return images
