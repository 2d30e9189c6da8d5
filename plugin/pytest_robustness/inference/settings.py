"""The settings of a run that say which images are predicted, and how."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness.core import DataSource


@dataclasses.dataclass(frozen=True)
class InferenceSettings:
    """Which images to predict, and how.

    Parameters
    ----------
    given
        The data itself, where it need not be opened; ``data`` then is what messages call it.
    data, limit, seed, download
        The data as the user names it, images per class (``None``: all), the seed of every random draw, and whether to
        download data that is missing.
    labelled
        Whether the labels of the data count.
    same_classes
        Whether all models must have the same outputs, because these are the classes.
    device, precision, runtime, workers, batch_size
        As the options of the same names; ``None`` leaves the choice to the run.
    on_bad_image
        Whether an unreadable image is an error or is skipped.
    store
        The file of the store.
    processes, process
        How many processes share the machine, and which of them this is, from 0: they take the GPUs in turn.
    timeout
        Seconds that a batch may take; ``None``: any time.
    outputs
        Which outputs of a model count: all, or those of the classes of the data.
    executor, ray_address
        As the options of the same names; without an address, Ray starts on this machine alone.
    """

    data: str
    limit: int | None
    seed: int
    download: bool
    device: str
    precision: str
    runtime: str
    workers: int | None
    batch_size: int | None
    on_bad_image: Literal["error", "skip"]
    store: Path
    processes: int = 1
    process: int = 0
    timeout: float | None = None
    labelled: bool = True
    same_classes: bool = False
    outputs: Literal["all", "data"] = "all"
    given: DataSource | None = None
    executor: Literal["local", "ray"] = "local"
    ray_address: str | None = None
