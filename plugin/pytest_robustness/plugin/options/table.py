"""The table of options: each with how it is written, what it means, and how its text becomes a value."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, get_args

from pytest_robustness.inference.runtimes import RUNTIMES
from pytest_robustness.plugin.options.values import (
    read_alpha,
    read_choice,
    read_device,
    read_flag,
    read_max_sensitive,
    read_names,
    read_path,
    read_points,
    read_rules,
    read_severities,
    read_whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "--robustness-"
BESIDE = "auto"

Precision = Literal["auto", "fp32", "tf32", "bf16", "fp16"]
OnBadImage = Literal["error", "skip"]
TTest = Literal["independent", "welch", "paired"]
Inconclusive = Literal["pass", "fail", "skip"]
Expect = Literal["robust", "baseline"]


@dataclasses.dataclass(frozen=True)
class OptionSpec:
    """One option: how it is written, what it means, and how its text becomes a value."""

    name: str
    default: str | None
    parse: Callable[[str], Any]
    metavar: str
    help: str
    repeated: bool = False
    alone: str | None = None
    """The value of an option that is named without one; ``None``: it needs a value."""

    @property
    def flag(self) -> str:
        """How it is written on the command line."""
        return PREFIX + self.name

    @property
    def key(self) -> str:
        """How it is written in an ini or TOML file."""
        return "robustness_" + self.field

    @property
    def field(self) -> str:
        """Its field of `Options`."""
        return self.name.replace("-", "_")


VALUED = (
    OptionSpec(
        "models",
        None,
        read_names,
        "NAMES",
        "models to judge, as [source:]name[@weights], separated by commas; presets: imagenet12, digits12 "
        "(default: the preset that fits the data)",
        repeated=True,
    ),
    OptionSpec(
        "data",
        "digits",
        str,
        "SPEC",
        "images to judge them on: digits, cifar10[:ROOT], imagenette[:ROOT], imagenet:ROOT[:train|val], folder:PATH, "
        "python:MODULE:FACTORY (default: digits, embedded)",
    ),
    OptionSpec(
        "transforms",
        None,
        read_names,
        "NAMES",
        "transforms, separated by commas; chain with +, as in equalize+vflip "
        "(default: the nine of the article, and your own)",
        repeated=True,
    ),
    OptionSpec("severity", "3", read_severities, "LEVELS", "severity levels: 3, 1-5, or 1,3,5 (default: 3)"),
    OptionSpec("alpha", "0.05", read_alpha, "P", "significance level of every test (default: 0.05)"),
    OptionSpec(
        "test",
        "independent",
        read_choice(*get_args(TTest)),
        "KIND",
        "t-test: independent (the article's), welch, or paired (default: independent)",
    ),
    OptionSpec(
        "correction",
        "none",
        read_choice("none", "bh", "holm"),
        "NAME",
        "correction over the classes, or models, of a transform: none, bh, holm (default: none)",
    ),
    OptionSpec(
        "max-sensitive",
        "chance",
        read_max_sensitive,
        "N",
        "sensitive classes that a class test allows: chance (as many as the null hypothesis alone would give in 95 of "
        "100 runs; after a correction: none), a count, or a fraction (default: chance)",
    ),
    OptionSpec(
        "equivalence",
        None,
        read_points,
        "POINTS",
        "let a model test pass only where the model is shown to stay within this many points (two one-sided tests), "
        "fail where it is shown not to, and be inconclusive between",
    ),
    OptionSpec(
        "baseline",
        None,
        read_path,
        "FILE",
        "compare with this baseline: a model fails where it is less robust than there (with "
        "--robustness-update-baseline: where to write it; default: robustness-baseline.json)",
    ),
    OptionSpec(
        "baseline-model",
        None,
        str,
        "NAME",
        "the baseline's model to compare a candidate with (default: the one of the same name, or the only one)",
    ),
    OptionSpec("candidate", None, str, "NAME", "judge this model alone, against the baseline"),
    OptionSpec(
        "tolerance",
        "1.0",
        read_points,
        "POINTS",
        "the drop against the baseline that is accepted, in points (default: 1.0)",
    ),
    OptionSpec(
        "gate-correction",
        "holm",
        read_choice("none", "bh", "holm"),
        "NAME",
        "correction over the conditions of the comparison with the baseline: none, bh, holm (default: holm)",
    ),
    OptionSpec(
        "inconclusive",
        None,
        read_choice(*get_args(Inconclusive)),
        "OUTCOME",
        "what a comparison with the baseline is where the images are too few to tell: pass, fail, skip (default: fail "
        "in CI, where the variable CI is set; else skip)",
    ),
    OptionSpec(
        "expect",
        "robust",
        read_choice(*get_args(Expect)),
        "WHAT",
        "what tests expect of a model: robust; or baseline, where a known finding passes until it gets worse "
        "(default: robust)",
    ),
    OptionSpec("limit", "all", read_whole(1, "all"), "N", "images per class, drawn with the seed (default: all)"),
    OptionSpec("seed", "0", read_whole(0), "N", "seed of every random draw (default: 0)"),
    OptionSpec(
        "on-bad-image",
        "error",
        read_choice(*get_args(OnBadImage)),
        "WHAT",
        "a file that is no readable image: error, or skip it and count it in the report (default: error)",
    ),
    OptionSpec(
        "batch-size", "auto", read_whole(1, "auto"), "N", "images per batch (default: auto, by image size and device)"
    ),
    OptionSpec("device", "auto", read_device, "NAME", "auto, cpu, cuda, cuda:1, mps (default: auto)"),
    OptionSpec(
        "precision",
        "fp32",
        read_choice(*get_args(Precision)),
        "NAME",
        "number format of the models: fp32, tf32 (CUDA), bf16, fp16, or auto: bf16 where the device computes in it "
        "(default: fp32)",
    ),
    OptionSpec(
        "runtime",
        "auto",
        read_choice("auto", *RUNTIMES),
        "NAME",
        f"what runs the models: {', '.join(RUNTIMES)}, or auto: the fastest that is installed, where "
        "there are images enough for its compilation to pay (default: auto)",
    ),
    OptionSpec("workers", "auto", read_whole(0, "auto"), "N", "decoding processes; 0 for none (default: auto)"),
    OptionSpec(
        "store",
        ".robustness/store.sqlite",
        read_path,
        "FILE",
        "where finished results are kept (default: .robustness/store.sqlite)",
    ),
    OptionSpec("report", "reports/latest", read_path, "DIR", "where the report goes (default: reports/latest)"),
    OptionSpec(
        "allure-report",
        None,
        read_path,
        "DIR",
        "build the Allure 3 report of the run into DIR (default: allure, in the report's folder); needs Node 22, "
        "which pip install 'pytest-robustness[allure]' brings along",
        alone=BESIDE,
    ),
    OptionSpec(
        "allure-history",
        ".robustness/allure-history.jsonl",
        read_path,
        "FILE",
        "where the Allure report keeps the results of past runs (default: .robustness/allure-history.jsonl)",
    ),
    OptionSpec(
        "allure-gate",
        None,
        read_rules,
        "RULES",
        "quality gate of the Allure report, such as maxFailures=3,successRate=0.9; a broken rule fails the run "
        "(default: none)",
    ),
    OptionSpec(
        "weights-dir",
        None,
        read_path,
        "DIR",
        "read the weight files of torchvision and timm from here instead of downloading them",
    ),
)

SWITCHES = (
    OptionSpec(
        "update-baseline",
        "false",
        read_flag,
        "",
        "write the results of this run as the baseline: robustness-baseline.json, and the answers beside it",
    ),
    OptionSpec(
        "trust-pickle",
        "false",
        read_flag,
        "",
        "also read weights that need a full pickle, which can run any code: only for files whose origin you trust",
    ),
    OptionSpec("download", "false", read_flag, "", "download a dataset that is not at its place (cifar10, imagenette)"),
)
