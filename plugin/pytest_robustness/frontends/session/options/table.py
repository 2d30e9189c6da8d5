"""The table of options. Adding an option takes one field here; help, ini key and documentation follow from it.

One file because every option of the plugin is found in it, and nothing else.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal, get_args

from pytest_robustness.analysis.studies import ALL, STUDIES
from pytest_robustness.core.defaults import CLIP_TEMPLATES, STORE
from pytest_robustness.frontends.session.options.names import read_names
from pytest_robustness.frontends.session.options.spec import OptionSpec, option, path, switch
from pytest_robustness.frontends.session.options.values import (
    Choice,
    no_folder,
    no_templates,
    read_alpha,
    read_choices,
    read_device,
    read_max_sensitive,
    read_percent,
    read_points,
    read_rules,
    read_seconds,
    read_severities,
    read_text,
    read_whole,
)
from pytest_robustness.inference.runtimes import RUNTIMES

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness.analysis.checks import ChanceRule
    from pytest_robustness.analysis.test_result import Correction, MaxSensitive, VerdictRule

Precision = Literal["auto", "fp32", "tf32", "bf16", "fp16"]
OnBadImage = Literal["error", "skip"]
Labels = Literal["data", "none"]
Outputs = Literal["all", "data"]
TTest = Literal["independent", "welch", "paired"]
Inconclusive = Literal["pass", "fail", "skip"]
Expect = Literal["robust", "baseline"]
ExecutorName = Literal["local", "ray"]
_CORRECTIONS: tuple[Correction, ...] = ("none", "bh", "holm")
_CHANCE_RULES: tuple[ChanceRule, ...] = ("error", "warn", "off")
_VERDICTS: tuple[VerdictRule, ...] = ("strict", "article", "margin")

_COUNT_OF_PROCESSES = read_whole(0, "auto", most=1024)

# The documentation lists the areas in this order.
_SUBJECT = "What to judge"
_TESTS = "How to judge"
_BASELINE = "Comparison with a baseline"
_COMPUTING = "How to compute"
_FILES = "Where results go"
_ALLURE = "Allure report"
_SOURCES = "Weights and data"


class RunMode(StrEnum):
    """What a run does with findings and with a baseline."""

    JUDGE = "judge"
    """Findings; no baseline is named."""
    COMPARE = "compare"
    """Findings, and the comparison with a baseline."""
    CANDIDATE = "candidate"
    """The comparison alone, for one model."""
    WRITE = "write"
    """Findings, which are then written as the baseline."""


# Every pytest run with the plugin installed imports this: methods that nobody uses would cost it milliseconds.
@dataclasses.dataclass(frozen=True, kw_only=True, init=False, eq=False, repr=False, match_args=False)
class SubjectOptions:
    """What the user wants judged. ``None`` leaves the choice to the run: it depends on the data."""

    models: tuple[str, ...] | None = option(
        read_names,
        None,
        area=_SUBJECT,
        metavar="NAMES",
        about="models, as [source:]name[@weights], separated by commas; imagenet12 and digits12 name twelve each",
        unset="the twelve that fit the data",
        kind="names",
    )
    data: str = option(
        read_text,
        "digits",
        area=_SUBJECT,
        metavar="SPEC",
        about="images: digits (embedded), cifar10[:ROOT], imagenette[:ROOT], imagenet:ROOT[:train|val], folder:PATH, "
        "tar:SHARDS, parquet:PATH, hf:NAME[:SPLIT], python:MODULE:FACTORY; paths may be URLs",
    )
    transforms: tuple[str, ...] | None = option(
        read_names,
        None,
        area=_SUBJECT,
        metavar="NAMES",
        about="transforms, separated by commas; chain them with +, as in equalize+vflip",
        unset="the nine of the article, and your own; for a candidate those of the baseline",
        kind="names",
    )
    severity: tuple[int, ...] | None = option(
        read_severities,
        None,
        area=_SUBJECT,
        metavar="LEVELS",
        about="severity levels, such as 3, 1-5, or 1,3,5",
        unset="3; for a candidate those of the baseline",
    )
    limit: int | None = option(
        read_whole(1, "all"), "all", area=_SUBJECT, metavar="N", about="images per class, drawn at random"
    )
    labels: Labels = option(
        Choice(*get_args(Labels)),
        "data",
        area=_SUBJECT,
        metavar="WHOSE",
        about="which labels count: those of the data; or none, and an image's class is what the model itself answers "
        "to it untouched, accuracy is the agreement with that, and the margins alone decide",
    )
    unlabelled: str | None = option(
        read_text,
        None,
        area=_SUBJECT,
        metavar="SPEC",
        about="images without labels on which to estimate the models' accuracy, such as folder:PATH, read at any depth",
    )
    outputs: Outputs = option(
        Choice(*get_args(Outputs)),
        "all",
        area=_SUBJECT,
        metavar="WHICH",
        about="which outputs of a model its answers are among: all; or data, those of the classes of the data, as "
        "figures on ImageNet-R, ImageNet-A and Imagenette are published",
    )
    seed: int = option(read_whole(0), "0", area=_SUBJECT, metavar="N", about="seed of every random draw")
    studies: tuple[str, ...] = option(
        read_choices(*STUDIES, ALL),
        "none",
        area=_SUBJECT,
        metavar="NAMES",
        about="questions beyond sensitivity to ask of the models, separated by commas; -k and -m ask for them too",
    )
    suspects: int | None = option(
        read_whole(1, "none", most=100_000),
        "none",
        area=_SUBJECT,
        metavar="N",
        about="list up to N images that seem to be turned, and up to N that seem to be labelled wrongly; asks for the "
        "studies turned_images and label_errors, whose lists hold 50 where this is left out",
    )
    reference: str | None = option(
        read_text,
        None,
        area=_SUBJECT,
        metavar="NAME",
        about="model that the others were exported from; asks for the study parity: the same answers, image by image",
    )
    on_bad_image: OnBadImage = option(
        Choice(*get_args(OnBadImage)),
        "error",
        area=_SUBJECT,
        metavar="WHAT",
        about="what to do about a file that is not a readable image; skip leaves it out and counts it in the report",
    )


@dataclasses.dataclass(frozen=True, kw_only=True, init=False, eq=False, repr=False, match_args=False)
class JudgingOptions(SubjectOptions):
    """How the user wants it judged, and what it is compared with."""

    alpha: float = option(read_alpha, "0.05", area=_TESTS, metavar="P", about="significance level of every test")
    test: TTest = option(
        Choice(*get_args(TTest)),
        "independent",
        area=_TESTS,
        metavar="KIND",
        about="t-test that compares accuracies; the article's is the independent one",
    )
    correction: Correction = option(
        Choice(*_CORRECTIONS),
        "none",
        area=_TESTS,
        metavar="NAME",
        about="correction of p-values, over the classes of a class test or the models under one transform",
    )
    max_sensitive: MaxSensitive = option(
        read_max_sensitive,
        "chance",
        area=_TESTS,
        metavar="N",
        about="sensitive classes that a class test allows: a count, a fraction, or chance, which is as many as "
        "independent tests at alpha would give in 95 of 100 runs if nothing changed (after a correction: none)",
    )
    verdict: VerdictRule = option(
        Choice(*_VERDICTS),
        "strict",
        area=_TESTS,
        metavar="RULE",
        about="what decides a test: strict, the t-test and the images, whose intervals must show a PASS; article, the "
        "t-test alone; margin, the images alone",
    )
    margin: float = option(
        read_points,
        "2.0",
        area=_TESTS,
        metavar="POINTS",
        about="change of a model's accuracy that counts as none: a model passes where it is shown to change by less, "
        "fails where it is shown to change by more, and is inconclusive otherwise",
    )
    class_margin: float = option(
        read_points,
        "10.0",
        area=_TESTS,
        metavar="POINTS",
        about="measured change of a class's accuracy beyond which the class fails its test, where it is significant",
    )
    parity_margin: float = option(
        read_percent,
        "1.0",
        area=_TESTS,
        metavar="PERCENT",
        about="share of images, in percent, that an exported model may answer otherwise than its reference",
        needs="reference",
    )
    chance_check: ChanceRule = option(
        Choice(*_CHANCE_RULES),
        "error",
        area=_TESTS,
        metavar="RULE",
        about="what to do about a model that is no better than guessing on untouched images; error refuses it where "
        "its classes were matched by their order alone, and lets it pass nothing where they were matched by name; "
        "warn and off let it pass",
    )
    baseline: Path | None = path(
        None,
        area=_BASELINE,
        metavar="FILE",
        about="baseline to compare with: a model fails where it is less robust than there; with "
        "--robustness-update-baseline, the file to write (robustness-baseline.json where none is named)",
    )
    baseline_model: str | None = option(
        read_text,
        None,
        area=_BASELINE,
        metavar="NAME",
        about="model of the baseline that the candidate is compared with",
        unset="the one of the same name, or the only one",
        needs="candidate",
    )
    candidate: str | None = option(
        read_text, None, area=_BASELINE, metavar="NAME", about="judge this model alone, and only against the baseline"
    )
    tolerance: float = option(
        read_points,
        "1.0",
        area=_BASELINE,
        metavar="POINTS",
        about="drop of accuracy below the baseline that is accepted, in points",
        needs="baseline",
    )
    class_tolerance: float = option(
        read_points,
        "10.0",
        area=_BASELINE,
        metavar="POINTS",
        about="measured drop of a class's accuracy below the baseline, in points, beyond which the class fails, where "
        "it is significant",
        needs="baseline",
    )
    gate_correction: Correction = option(
        Choice(*_CORRECTIONS),
        "holm",
        area=_BASELINE,
        metavar="NAME",
        about="correction of p-values over the conditions of a comparison",
        needs="baseline",
    )
    inconclusive: Inconclusive | None = option(
        Choice(*get_args(Inconclusive)),
        None,
        area=_BASELINE,
        metavar="OUTCOME",
        about="outcome of a comparison that has too few images for a verdict",
        unset="skip, but fail in CI, where the variable CI is set",
        needs="baseline",
    )
    expect: Expect = option(
        Choice(*get_args(Expect)),
        "robust",
        area=_BASELINE,
        metavar="WHAT",
        about="what tests expect of a model; with baseline, a finding that the baseline has passes until it gets worse",
    )
    update_baseline: bool = switch(
        area=_BASELINE,
        about="write the results of this run as the baseline: robustness-baseline.json, and the answers next to it",
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False, match_args=False)
class Options(JudgingOptions):
    """What the user asked for. ``None`` leaves the choice to the run: it depends on the data or on the machine."""

    batch_size: int | None = option(
        read_whole(1, "auto"),
        "auto",
        area=_COMPUTING,
        metavar="N",
        about="images per batch; auto goes by image size and device",
    )
    device: str = option(
        read_device, "auto", area=_COMPUTING, metavar="NAME", about="auto, cpu, cuda, cuda:1 (and so on), or mps"
    )
    precision: Precision = option(
        Choice(*get_args(Precision)),
        "fp32",
        area=_COMPUTING,
        metavar="NAME",
        about="number format of the models; auto takes bf16 where the device computes in it, tf32 needs CUDA",
    )
    runtime: str = option(
        Choice("auto", *RUNTIMES),
        "auto",
        area=_COMPUTING,
        metavar="NAME",
        about="what runs the models; auto takes the fastest that is installed, where there are enough images for its "
        "compilation to pay off",
    )
    timeout: float | None = option(
        read_seconds,
        None,
        area=_COMPUTING,
        metavar="SECONDS",
        about="time that a model or a transform may take for one batch; one that takes longer is given up",
    )
    workers: int | None = option(
        _COUNT_OF_PROCESSES, "auto", area=_COMPUTING, metavar="N", about="processes that decode images; 0 for none"
    )
    executor: ExecutorName = option(
        Choice(*get_args(ExecutorName)),
        "local",
        area=_COMPUTING,
        metavar="NAME",
        about="what computes: this process, or those of pytest-xdist; or the actors of a Ray cluster",
    )
    ray_address: str | None = option(
        read_text,
        None,
        area=_COMPUTING,
        metavar="ADDRESS",
        about="Ray cluster of --robustness-executor=ray: auto, HOST:PORT, or ray://HOST:PORT",
        unset="one that starts on this machine and ends with the run",
        needs="executor=ray",
    )
    store: Path = path(STORE, area=_FILES, metavar="FILE", about="store of predictions, which later runs reuse")
    report: Path = path("reports/latest", area=_FILES, metavar="DIR", about="folder of the report")
    allure_report: Path | None = path(
        None,
        area=_ALLURE,
        metavar="DIR",
        about="build the Allure 3 report of the run into DIR (without DIR: into the folder allure of the report's); "
        "needs Node 22, which the extra allure brings along",
        alone="allure",
    )
    allure_history: Path = path(
        ".robustness/allure-history.jsonl",
        area=_ALLURE,
        metavar="FILE",
        about="file in which the Allure report keeps the results of past runs",
    )
    allure_gate: tuple[tuple[str, float], ...] | None = option(
        read_rules,
        None,
        area=_ALLURE,
        metavar="RULES",
        about="quality gate of the Allure report, such as maxFailures=3,successRate=0.9; a broken rule fails the run",
        needs="allure_report",
    )
    weights_dir: Path | None = path(
        None,
        area=_SOURCES,
        metavar="DIR",
        about="read the weight files of torchvision and timm from this folder instead of downloading them",
        fault=no_folder,
    )
    trust_pickle: bool = switch(
        area=_SOURCES, about="also read weights that need a full pickle, which can run any code: for files you trust"
    )
    clip_templates: str = option(
        read_text,
        CLIP_TEMPLATES,
        area=_SOURCES,
        metavar="WHICH",
        about="sentences in which CLIP models read the names of classes: single (a photo of a {}.), simple or openai "
        "(7 and 80 for ImageNet), or a text file with one a line",
        fault=no_templates,
    )
    download: bool = switch(area=_SOURCES, about="download a dataset that is missing (cifar10, imagenette)")
    plan: bool = switch(
        area=_COMPUTING,
        about="print what the run would compute, the time by a timed first batch of each model, the size of the store, "
        "and how many images the margin needs; and exit",
        ini=False,
    )
    list: bool = switch(area=_SUBJECT, about="print the known models, transforms and data, and exit", ini=False)

    @property
    def mode(self) -> RunMode:
        """What the run does with findings and with a baseline."""
        if self.candidate is not None:
            return RunMode.CANDIDATE
        if self.update_baseline:
            return RunMode.WRITE
        return RunMode.JUDGE if self.baseline is None else RunMode.COMPARE


SPECS: tuple[OptionSpec, ...] = tuple(
    dataclasses.replace(field.metadata["spec"], field=field.name) for field in dataclasses.fields(Options)
)
DOCTOR_FIELDS: Final = (
    "data", "seed", "device", "timeout", "store", "weights_dir", "trust_pickle", "clip_templates", "download",
)  # fmt: skip
"""The options that the doctor takes, too."""


def markdown_table() -> str:
    """Return the table of options of ``docs/options.md``, in Markdown, grouped by area."""
    rows = ["| | option | default | meaning |", "| --- | --- | --- | --- |"]
    for area in dict.fromkeys(spec.area for spec in SPECS):
        for number, spec in enumerate(spec for spec in SPECS if spec.area == area):
            rows.append(f"| {'' if number else f'**{area}**'} | `{spec.name}` | {_default(spec)} | {_meaning(spec)} |")
    return "\n".join([*rows, ""])


def _default(spec: OptionSpec) -> str:
    return spec.shown_default if spec.default is None or spec.kind == "switch" else f"`{spec.default}`"


def _meaning(spec: OptionSpec) -> str:
    choices = f": {', '.join(f'`{word}`' for word in spec.read.words)}" if isinstance(spec.read, Choice) else ""
    # A bar would end the cell.
    return (spec.about + choices).replace("|", "\\|")
