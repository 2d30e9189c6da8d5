"""Find the one setting of a model's set-up that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click
from rich_click import RichCommand

from pytest_robustness.frontends.command.options import option
from pytest_robustness.frontends.session.options import DOCTOR_FIELDS, SPECS

if TYPE_CHECKING:
    from pytest_robustness.analysis.diagnosis import Diagnosis

_OF_A_RUN: Final = tuple(spec for spec in SPECS if spec.field in DOCTOR_FIELDS)


@click.command("doctor", cls=RichCommand)
@click.argument("model")
@click.option("--images", type=click.IntRange(2), default=256, show_default=True, metavar="N",
              help="Images to ask about at most, as many of each class.")  # fmt: skip
@click.option("--margin", type=float, default=10.0, show_default=True,
              metavar="POINTS", help="Difference of accuracy that may go unseen, in points.")  # fmt: skip
@click.option("--alpha", type=float, default=0.05, show_default=True,
              help="Level of the tests, after Holm's correction for all that is tried.")  # fmt: skip
def doctor(model: str, **options: Any) -> int:
    """Find the one setting of MODEL's set-up that is wrong, and print the line that mends it.

    The usual mistakes are tried one at a time on a few images: BGR, pixels from 0 to 255, mean and std, squash or crop,
    sizes, interpolation, antialiasing, layout, a background class, the order of classes.

    Exit codes: 0 no fault was shown, 1 a setting is wrong, or the model guesses and nothing helps, 3 an
    internal error, 4 used wrongly, or a file cannot be read or written.
    """
    from pytest_robustness.core.text import for_log
    from pytest_robustness.frontends.api.doctor import doctor as examined
    from pytest_robustness.frontends.session.options.reading import read

    for spec in _OF_A_RUN:
        text = options[spec.field]
        if isinstance(text, str):  # read here first: an error names the option as it was typed
            read(spec, text, f"--{spec.name}")
    found: Diagnosis = examined(model, **options)
    # Not cut: the line to write may list a thousand classes.
    click.echo(for_log(str(found)))
    return 1 if found.fault else 0


doctor.params += map(option, _OF_A_RUN)
