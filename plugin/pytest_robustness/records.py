"""The values that flow through the house, and the Protocols behind which strategies stand.

Everything here is frozen and imports neither torch nor pytest, so every other module may import it. Accuracies are
percentages and differences are percentage points throughout: ``difference == treated - control``.
"""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

Interpolation = Literal["nearest", "bilinear", "bicubic"]

# Raised when the way from canvas to stored prediction changes its results: older cells are then computed again.
PIPELINE_VERSION = 1

# --- what a run is about -------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, order=True)
class Condition:
    """One transform at one severity; ``severity`` is ``None`` for a transform with a single level."""

    transform: str
    severity: int | None = None

    def __str__(self) -> str:
        return self.transform if self.severity is None else f"{self.transform}-s{self.severity}"


CONTROL = Condition("control")


@dataclasses.dataclass(frozen=True, order=True)
class Cell:
    """One model under one condition, on the run's dataset."""

    model: str
    condition: Condition


@dataclasses.dataclass(frozen=True)
class Panel:
    """One condition with the models that a class test compares under it."""

    condition: Condition
    models: tuple[str, ...]


class Shard(NamedTuple):
    """A contiguous range of positions in the selection of images: the unit of work, of resume and of distribution."""

    start: int
    stop: int


# --- models ----------------------------------------------------------------------------------------------------------


class Canvas(NamedTuple):
    """How a decoded image becomes the uint8 RGB square that a transform sees.

    ``resize`` and ``crop`` are in pixels; ``None`` leaves the image as the data has it. The crop belongs to the canvas
    because the square is cut so that cropping it again gives, to the pixel, the model's published evaluation pipeline.
    """

    resize: int | None
    crop: int | None
    interpolation: Interpolation
    antialias: bool


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """What a model wants done to an image: resize the shorter side, crop the centre, scale to [0, 1], normalize.

    Parameters
    ----------
    resize
        Length of the shorter side, in pixels, before the crop. ``None``: the size that the data has.
    crop
        Side of the centre crop, in pixels. ``None``: the whole canvas.
    mean, std
        Per channel, for pixel values in [0, 1].
    interpolation, antialias
        Of the resize.

    Raises
    ------
    ValueError
        On a size below 1, a crop larger than the resize, or a standard deviation that is not positive.
    """

    resize: int | None = None
    crop: int | None = None
    mean: Sequence[float] = (0.0, 0.0, 0.0)
    std: Sequence[float] = (1.0, 1.0, 1.0)
    interpolation: Interpolation = "bilinear"
    antialias: bool = True

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            values = tuple(float(value) for value in getattr(self, name))
            if len(values) != 3 or not all(map(math.isfinite, values)):
                raise ValueError(f"{name} needs three finite numbers, one per channel; got {values}")
            object.__setattr__(self, name, values)
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive; got {self.std}")
        for name in ("resize", "crop"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ValueError(f"{name} must be at least 1 pixel; got {size}")
        if self.resize is not None and self.crop is not None and self.crop > self.resize:
            raise ValueError(f"crop {self.crop} is larger than resize {self.resize}")
        if self.interpolation not in ("nearest", "bilinear", "bicubic"):
            raise ValueError(f"{self.interpolation!r} is not an interpolation. Known: bicubic, bilinear, nearest.")

    @property
    def canvas(self) -> Canvas:
        """The canvas that the model's transforms act on."""
        return Canvas(self.resize, self.crop, self.interpolation, self.antialias)


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """An image classifier with what it needs to be judged.

    Parameters
    ----------
    module
        Maps float images [B, 3, H, W], preprocessed, to logits [B, K].
    preprocess
        What to do to an image first.
    classes
        The name or WordNet id of each of the K outputs, in order. ``None``: matched to the data by position.
    fingerprint
        Hash of everything that the outputs depend on besides ``preprocess``; left empty, it is computed on loading.
    runtime
        The inference engine that is part of ``module``, which then runs as it is, at the precision that it has. Left
        empty, any runtime may run the module.
    """

    module: torch.nn.Module
    preprocess: Preprocess = dataclasses.field(default_factory=Preprocess)
    classes: Sequence[str] | None = None
    fingerprint: str = ""
    runtime: str = ""


# --- data ------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class ClassLabel:
    """One class of a dataset: ``key`` as the data names it (a folder, a WordNet id), ``name`` as people do."""

    key: str
    name: str


class DataSource(Protocol):
    """Labelled images, read one at a time; picklable, because decoding happens in worker processes."""

    @property
    def name(self) -> str:
        """What the user asked for, e.g. ``folder:photos``."""

    @property
    def classes(self) -> Sequence[ClassLabel]:
        """The classes; a label is a position in this sequence."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The label of every image: int64 [N]."""

    @property
    def in_memory(self) -> bool:
        """Whether ``read`` is so cheap that decoding processes would not pay."""

    def read(self, index: int) -> torch.Tensor:
        """Return image ``index`` as uint8 RGB [3, H, W]; raise `BadImageError` naming it where it cannot be read."""

    def describe(self, index: int) -> str:
        """Return what names the image to a user: its path, or ``digits[12]``."""

    def fingerprint(self, indices: NDArray[np.int64]) -> str:
        """Return the hash of the classes and of the content of the images at ``indices``."""


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """The images that a run judges on: ``indices`` into ``source`` (int64 [N], ascending), ``labels`` (int64 [N])."""

    source: DataSource
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class ClassMatch:
    """How a dataset's classes meet a model's outputs.

    ``outputs[c]`` is the model output that stands for class ``c`` of the data (int64 [C]).
    """

    method: Literal["wordnet id", "name", "position"]
    outputs: tuple[int, ...]


# --- stages ----------------------------------------------------------------------------------------------------------


class Transform(Protocol):
    """A named image transformation with severity levels."""

    @property
    def name(self) -> str:
        """The name used in options, ids and reports."""

    @property
    def severities(self) -> tuple[int, ...]:
        """The severities that exist: ``(1, 2, 3, 4, 5)``, or ``()`` for a single level."""

    def key(self, severity: int | None) -> str:
        """Return what the result depends on, parameters and code version, for the store's key."""

    def __call__(
        self, images: torch.Tensor, severity: int | None, indices: NDArray[np.int64], seed: int
    ) -> torch.Tensor:
        """Return the transformed copy of ``images`` (uint8 [B, 3, H, W]), shape and dtype kept, on the same device.

        ``indices`` (int64 [B]) are the images' indices in the dataset: random draws depend on them and on ``seed``.
        """


class Engine(NamedTuple):
    """What ran a model: the runtime's name, and the number format that it computed in."""

    runtime: str
    precision: str

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"


class Runner(NamedTuple):
    """A model made ready.

    ``run`` takes preprocessed images, float32 [B, 3, H, W] on the device that it was made ready for, and returns
    float32 logits [B, K] there.
    """

    run: Callable[[torch.Tensor], torch.Tensor]
    engine: Engine


@dataclasses.dataclass(frozen=True, eq=False)
class Workload:
    """What a model is made ready for.

    Parameters
    ----------
    example
        The first inputs that it will get: float32 [B, 3, H, W], on the device. No later batch is larger, and all images
        have this size.
    precision
        ``fp32``, ``tf32``, ``bf16`` or ``fp16``.
    passes
        How many images the whole run has for it, each condition counted.
    """

    example: torch.Tensor
    precision: str
    passes: int


class Runtime(Protocol):
    """A way to run models: eager PyTorch, a compiler, another inference engine."""

    def obstacle(self, device: torch.device, precision: str) -> str | None:
        """Return what keeps it from running models so here, as a sentence that says what to do; ``None``: nothing."""

    def prepare(self, model: Model, workload: Workload) -> Runner:
        """Make ``model`` ready for ``workload``; whatever keeps it from that is raised."""


class Predictions(NamedTuple):
    """What the store keeps of each image of one cell's shard; one row per position.

    ``predicted`` is the model's output index (int32 [n]; -1 where the image was skipped), ``confidence`` its
    probability and ``true_probability`` the probability given to the true class (float32 [n]; NaN where skipped).
    """

    predicted: NDArray[np.int32]
    confidence: NDArray[np.float32]
    true_probability: NDArray[np.float32]


class Progress(Protocol):
    """Where the sweep tells how far it is."""

    def start(self, images: int, cells: int) -> None:
        """Begin: the sweep will read ``images`` images and fill ``cells`` cells."""

    def advance(self, images: int) -> None:
        """``images`` more images are done."""

    def note(self, message: str) -> None:
        """Something the user should know: a smaller batch, a skipped image."""

    def stop(self) -> None:
        """End, finished or not."""


class Executor(Protocol):
    """Who computes the missing shards: this process, its siblings, or a cluster."""

    def claim(self, shards: Sequence[Shard]) -> Iterator[Shard]:
        """Yield those of ``shards`` that nobody else is computing, each held until its release; never wait."""

    def release(self, shard: Shard) -> None:
        """``shard`` is committed, or given up."""

    def close(self) -> None:
        """Give back everything that is still held."""

    def wait(self) -> None:
        """Nothing was left to claim, though others are still at work: let a little time pass."""


# --- statistics and verdicts -----------------------------------------------------------------------------------------

TestKind = Literal["independent", "welch", "paired", "mcnemar"]
Correction = Literal["none", "bh", "holm"]


@dataclasses.dataclass(frozen=True)
class TestResult:
    """One two-sided test of control against a condition.

    ``n`` counts the observations in each group, ``control`` and ``treated`` are their means in percent, and
    ``difference`` is ``treated - control`` in points with its 95 % interval. ``detectable_drop`` is the smallest drop,
    in points, that the test would see with 80 % power. NaN stands for what cannot be told from so few observations.
    """

    __test__: ClassVar[bool] = False

    test: TestKind
    n: int
    control: float
    treated: float
    difference: float
    ci_low: float
    ci_high: float
    effect_size: float
    statistic: float
    df: float
    p_value: float
    p_adjusted: float
    detectable_drop: float

    def rejects(self, alpha: float) -> bool:
        """Whether the null hypothesis is rejected at ``alpha``, after correction; NaN never rejects."""
        return self.p_adjusted < alpha

    @property
    def conclusive(self) -> bool:
        """Whether there were observations enough to test at all."""
        return not math.isnan(self.p_adjusted)


class Outcome(StrEnum):
    """What a test says; an error is none of these."""

    PASS = "PASS"  # noqa: S105 (no password)
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class Verdict(NamedTuple):
    """An outcome and its reason in one sentence."""

    outcome: Outcome
    reason: str


MaxSensitive = Literal["chance"] | int | float
"""How many sensitive classes a class test allows: by chance, a count (int), or a fraction of the classes (float)."""

# --- findings --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class ClassFinding:
    """The test of one class: over the models of a class test, or over one model's images."""

    index: int
    name: str
    result: TestResult


@dataclasses.dataclass(frozen=True)
class ModelTest:
    """Whether one model is impacted by one condition: its per-class accuracies, control against condition.

    ``found`` is what the test itself says; ``verdict`` is another where findings known from a baseline are expected.
    ``worst`` holds the classes that fell most, ten at most.
    """

    __test__: ClassVar[bool] = False

    model: str
    condition: Condition
    result: TestResult
    found: Outcome
    verdict: Verdict
    accuracy: ImageAccuracy
    worst: tuple[ClassChange, ...]

    @property
    def impacted(self) -> bool:
        """Whether the model was found to be impacted, known or not."""
        return self.found is Outcome.FAIL

    @property
    def known(self) -> bool:
        """Whether the model is impacted and passes, because it was in the baseline and got no worse."""
        return self.impacted and self.verdict.outcome is Outcome.PASS


@dataclasses.dataclass(frozen=True)
class ClassTest:
    """Which classes are sensitive to one condition.

    With two models or more each class is tested over the models' accuracies on it; with one model, over the images of
    the class (McNemar). ``allowed`` is how many sensitive classes the verdict tolerates, ``untested`` names the classes
    without images, ``left_out`` the models that could not be run.
    """

    condition: Condition
    models: tuple[str, ...]
    classes: tuple[ClassFinding, ...]
    sensitive: tuple[ClassFinding, ...]
    allowed: int
    untested: tuple[str, ...]
    left_out: tuple[str, ...]
    alpha: float
    verdict: Verdict


@dataclasses.dataclass(frozen=True)
class ImageTest:
    """Whether one model answers differently under a condition on the same images: McNemar's exact test."""

    __test__: ClassVar[bool] = False

    model: str
    condition: Condition
    result: TestResult
    verdict: Verdict
    classes: tuple[ClassFinding, ...]


class ImageAccuracy(NamedTuple):
    """Top-1 accuracy over images, in percent: what a published figure means by accuracy."""

    control: float
    treated: float


class ClassChange(NamedTuple):
    """One class's accuracy in control and under a condition, in percent."""

    name: str
    control: float
    treated: float


class Counts(NamedTuple):
    """Images seen and classified correctly, by class: int64 [C] each."""

    n: NDArray[np.int64]
    correct: NDArray[np.int64]


Finding = ModelTest | ClassTest | ImageTest
