"""Judge models with the bundled tests: what ``pytest --pyargs robustness_tests`` does, options without their prefix."""

from __future__ import annotations

import difflib
import itertools
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import click
from rich_click import RichCommand
from rich_click.rich_click import OPTION_GROUPS

from pytest_robustness.frontends.command.options import option
from pytest_robustness.frontends.session.options import PREFIX, SPECS

if TYPE_CHECKING:
    from collections.abc import Callable

_SUITE: Final = ("--pyargs", "robustness_tests")
_PYTEST: Final = (
    "Every other argument goes to pytest: -k vflip selects tests, -n 4 runs four processes, --lf those that failed "
    "last, --junitxml=FILE writes JUnit XML."
)
_ALONE: Final = frozenset(f"--{spec.name}" for spec in SPECS if spec.alone is not None)
_OWN_COMMANDS: Final = ("list", "plan")
# Of an argument and an option; a letter that is wrong, left out or in another place.
_CLOSE: Final = 0.75
_SETTINGS: Final = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["-h", "--help"]}


class _Command(RichCommand):
    """Takes the value of an option as it is written: -1 is the plugin's to refuse, and not an option of pytest.

    Click has options whose value may be left out, but of these it cuts a value off that begins with a dash.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give an option that stands alone, where that is allowed, an empty value, and parse."""
        given = [
            f"{arg}=" if arg in _ALONE and (after is None or after.startswith("-")) else str(arg)
            for arg, after in itertools.pairwise([*args, None])
        ]
        left = super().parse_args(ctx, given)
        _refuse_misspelled(ctx)
        return left


def _refuse_misspelled(context: click.Context) -> None:
    """Raise for an argument that would go to pytest, is nearly an option of ours, and none that pytest knows."""
    known = {f"--{spec.name}" for spec in SPECS if spec.name not in _OWN_COMMANDS}
    for argument in context.args:
        typed = argument.partition("=")[0]
        if typed in {f"--{name}" for name in _OWN_COMMANDS}:
            raise click.UsageError(f"{typed} is a command of its own: pytest-robustness {typed[2:]}.", ctx=context)
        close = difflib.get_close_matches(typed, known, n=1, cutoff=_CLOSE) if typed.startswith("--") else []
        if close and typed not in _options_of_pytest():
            raise click.NoSuchOption(typed, possibilities=close, ctx=context)


def _options_of_pytest() -> frozenset[str]:
    # Those of its plugins too, which it alone knows. It takes a second, of a command that is probably wrong.
    asked = [sys.executable, "-m", "pytest", "--help"]
    shown = subprocess.run(asked, capture_output=True, text=True, check=False).stdout  # noqa: S603 (our own)
    return frozenset(re.findall(r"(?<![\w-])--[\w-]+", shown))


def pytest_arguments(context: click.Context, *more: str) -> list[str]:
    """Return what pytest gets: the bundled suite, the options that were named, and whatever is none of ours."""
    named = []
    for spec in SPECS:
        value = context.params.get(spec.field)
        if value is None or value is False:
            continue
        alone = value is True or (value == "" and spec.alone is not None)
        named.append(spec.flag if alone else f"{spec.flag}={value}")
    return [*_SUITE, *more, *named, *context.args]


def _run(context: click.Context, *more: str) -> int:
    """Run pytest in place of this process; where a system cannot, in another one, and return its exit code."""
    command = [sys.executable, "-m", "pytest", *pytest_arguments(context, *more)]
    if os.name == "posix":
        sys.stdout.flush()
        os.execv(sys.executable, command)  # noqa: S606 (no shell: arguments are those of this command)
    with subprocess.Popen(command) as process:  # noqa: S603 (the same)
        # Ctrl-C reaches both. pytest writes its report then, and this process waits for that.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return process.wait()


def _judge(**_: object) -> int:
    """Judge models on images under transforms, with the bundled tests; write the report."""
    return _run(click.get_current_context())


def _plan(**_: object) -> int:
    """Print what `run` would compute with the same options, and how long it would take; compute nothing."""
    return _run(click.get_current_context(), f"{PREFIX}plan")


def _command(name: str, callback: Callable[..., int]) -> click.Command:
    specs = [spec for spec in SPECS if spec.name not in _OWN_COMMANDS]
    options: list[click.Parameter] = [option(spec) for spec in specs]
    OPTION_GROUPS[f"pytest-robustness {name}"] = [
        {"name": area, "options": [f"--{spec.name}" for spec in specs if spec.area == area]}
        for area in dict.fromkeys(spec.area for spec in specs)
    ]
    return _Command(
        name=name,
        context_settings=_SETTINGS,
        callback=callback,
        params=options,
        help=callback.__doc__,
        epilog=_PYTEST,
    )


run = _command("run", _judge)
plan = _command("plan", _plan)
