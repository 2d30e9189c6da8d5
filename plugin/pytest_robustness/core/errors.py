"""The errors that pytest-robustness raises on purpose.

::

    RobustnessError            every error below; its text is complete: what, which value, what is valid, what to do
    ├── OptionError            an option or a name that is not valid; raised before any test runs
    │   └── UnknownTransformError  a transform that nothing registers
    ├── ModelError             a model that cannot be found, loaded or run
    │   └── WeightsError       its weights are missing, damaged, or would need an unsafe pickle
    ├── DataError              a dataset that cannot be found, listed or matched
    │   └── BadImageError      one file that is not a readable image
    ├── DisagreementError      the processes of one run do not judge the same data, models and transforms
    ├── TransformError         a transform that breaks its contract (shape, dtype, levels)
    ├── StoreError             a store that is newer than this package, damaged, read-only, or on a full disk
    ├── BaselineError          a baseline that is missing, damaged, or not comparable with this run
    └── ComparisonError        two runs that cannot be compared, or a report that is missing or damaged

A *finding* (a model that is not robust) is not an error: see ``pytest_robustness.NotRobust``.
"""

from __future__ import annotations

import difflib
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


# How the text of an error begins that TorchScript raised; a traceback of its own follows.
_IN_TORCHSCRIPT: Final = "The following operation failed in the TorchScript interpreter."


class RobustnessError(Exception):
    """Base of every error that this package raises on purpose."""


class OptionError(RobustnessError):
    """An option value or a name that is not valid."""


class UnknownTransformError(OptionError):
    """A transform that is not registered, or not yet: a ``conftest.py`` that pytest reads later may do so."""


class ModelError(RobustnessError):
    """A model that cannot be found, loaded or run."""


class WeightsError(ModelError):
    """Weights that are missing, damaged, or would need an unsafe pickle."""


class DataError(RobustnessError):
    """A dataset that cannot be found, listed or matched to a model."""


class BadImageError(DataError):
    """One file that is not a readable image.

    Parameters
    ----------
    image
        The image's name in messages: a path, or ``digits[12]``.
    reason
        Why it cannot be read.
    content
        Whether the bytes themselves are no image, so that this may be remembered by their content. False for a fault of
        the moment: memory was short, the disk failed, the file is gone.
    """

    def __init__(self, image: str, reason: str, content: bool = True) -> None:
        super().__init__(f"{image} is not a readable image: {reason}")
        self.image = image
        self.reason = reason
        self.content = content

    def __reduce__(self) -> tuple[type[BadImageError], tuple[str, str, bool]]:
        # By default an exception is unpickled with its message alone, which fails in a decoding process's parent.
        return type(self), (self.image, self.reason, self.content)


class DisagreementError(RobustnessError):
    """Processes of one run that do not judge the same data, models and transforms: they have no common report."""


class TransformError(RobustnessError):
    """A transform that breaks its contract."""


class StoreError(RobustnessError):
    """A store that cannot be used as it is."""


class BaselineError(RobustnessError):
    """A baseline that is missing, damaged, or not comparable with this run."""


class ComparisonError(RobustnessError):
    """Two runs that cannot be compared, or a report that is missing or damaged."""


class ErrorText(str):
    """The text of an error, with the traceback of the exception that it describes.

    A cell keeps this text and not the exception, whose frames would hold images and weights in memory.

    Parameters
    ----------
    text
        What users read.
    error
        The exception.
    """

    __slots__ = ("trace",)

    trace: str

    def __new__(cls, text: str, error: BaseException) -> ErrorText:  # noqa: D102 (as the class)
        return cls.with_trace(text, trace(error))

    @classmethod
    def with_trace(cls, text: str, trace: str) -> ErrorText:
        """Return the text of an error of another process, whose traceback was sent as a text too."""
        created = super().__new__(cls, text)
        created.trace = trace
        return created


def trace(error: BaseException) -> str:
    """Return the traceback of an exception, and of those that led to it, as Python prints them."""
    return "".join(traceback.format_exception(error)).rstrip()


def cause(error: BaseException) -> str:
    """Return the type and text of an exception, with the line of the user's code that raised it, if any."""
    text = f"{type(error).__name__}: {message(error)}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    return f"{text} ({short_path(Path(frames[-1].filename))}:{frames[-1].lineno})" if frames else text


def message(error: BaseException) -> str:
    """Return the text of an exception; an exception of the user's code may be unable to give one.

    Of one that TorchScript raised it is the last line, which says what was wrong: the others are a traceback.
    """
    try:
        text = str(error)
    except Exception as fault:
        return f"(no text: its __str__ raised {type(fault).__name__})"
    if not text.startswith(_IN_TORCHSCRIPT):
        return text
    return text.rstrip().rpartition("\n")[2].removeprefix("builtins.")


def _is_users(filename: str) -> bool:
    import sysconfig  # not with this module, which every run of pytest imports

    path = Path(filename)
    ours = (Path(__file__).parents[1], *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")))
    return path.is_file() and not any(path.is_relative_to(folder) for folder in ours)


def short_path(path: Path) -> str:
    """Return ``path`` as a user would type it: relative to the current directory if it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the error for an unknown name: ``'zom' is not a transform. Did you mean 'zoom'? Known: ...``."""
    article, names = "an" if kind[0] in "aeiou" else "a", sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name!r} is not {article} {kind}.{hint} Known: {', '.join(names)}."
