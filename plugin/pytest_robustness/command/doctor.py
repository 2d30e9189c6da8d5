"""Find the one setting of a model's set-up that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich_click import RichCommand

if TYPE_CHECKING:
    from pytest_robustness.analysis.diagnosis import Diagnosis


@click.command("doctor", cls=RichCommand)
@click.argument("model")
@click.option(
    "--data", default="digits", show_default=True, metavar="SPEC", help="Labelled images, as `run` takes them."
)
@click.option("--images", type=click.IntRange(2), default=256, show_default=True, metavar="N",
              help="Images to ask about at most, as many of each class.")  # fmt: skip
@click.option("--margin", type=float, default=10.0, show_default=True,
              metavar="POINTS", help="Difference of accuracy that may go unseen, in points.")  # fmt: skip
@click.option("--alpha", type=float, default=0.05, show_default=True,
              help="Level of the tests, after Holm's correction for all that is tried.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draw of images.")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda, cuda:1, or mps.")
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path), default=Path(".robustness/store.sqlite"),
              show_default=True, help="The store of your runs: it remembers the diagnosis.")  # fmt: skip
@click.option("--weights-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Read the weight files of torchvision and timm from this folder.")  # fmt: skip
@click.option("--trust-pickle", is_flag=True, help="Also read weights that need a full pickle, which can run any code.")
@click.option("--clip-templates", default="single", show_default=True, metavar="WHICH",
              help="Sentences for the classes' names, of CLIP models: single, simple, openai, a file.")  # fmt: skip
@click.option("--download", is_flag=True, help="Download a dataset that is missing (cifar10, imagenette).")
def doctor(model: str, **options: Any) -> int:
    """Find the one setting of MODEL's set-up that is wrong, and print the line that mends it.

    The usual mistakes are tried one at a time on a few images: BGR, pixels from 0 to 255, mean and std, squash or crop,
    sizes, interpolation, antialiasing, layout, a background class, the order of classes.

    Exit codes: 0 no fault was shown, 1 a setting is wrong, or the model guesses and nothing helps, 4 used wrongly.
    """
    from pytest_robustness.api.doctor import doctor as examined
    from pytest_robustness.core.text import for_log

    found: Diagnosis = examined(model, **options)
    # Not cut: the line to write may list a thousand classes.
    click.echo(for_log(str(found)))
    return 1 if found.fault else 0
