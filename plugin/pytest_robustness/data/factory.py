"""Datasets from the user's own code: ``python:package.module:factory`` or ``python:path/to/file.py:factory``."""

from __future__ import annotations

import dataclasses
import functools
import logging
import pickle
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pytest_robustness.core import IdentifiedSource, user_code
from pytest_robustness.core.dataset import has_own_labels
from pytest_robustness.core.errors import DataError, OptionError, RobustnessError, cause
from pytest_robustness.data.identity import read_as
from pytest_robustness.data.protocol import lacks

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import DataSource

_MODULE_FORM, _FILE_FORM = (f"python:{form}" for form in user_code.FORMS)
FORMS: Final = {
    _MODULE_FORM: "what a function returns: a DataSource or a torchvision-style dataset",
    _FILE_FORM: "the same, from a file",
}
_log = logging.getLogger(__name__)


def check(spec: str, argument: str) -> None:
    """Raise `OptionError` if the module or the factory is not named; no code of the user runs."""
    _parse(spec, argument)


def open_source(spec: str, argument: str, *, download: bool) -> DataSource:  # noqa: ARG001 (the factory downloads)
    """Call the factory, without an argument, and return its dataset as a `DataSource`.

    Raises
    ------
    DataError
        There is no such module, file or function; the user's code fails; or what it returns is no dataset.
    """
    from pytest_robustness.data.map_style.dataset import adapt

    target, function = _parse(spec, argument)
    module = user_code.UserModule(target)
    try:
        with module.importable():
            dataset = module.function(function, DataError)()
            source = adapt(spec, dataset)
            kind = IdentifiedFactorySource if isinstance(source, IdentifiedSource) else FactorySource
            return kind(module, source)
    except RobustnessError:
        raise
    except (Exception, SystemExit) as error:
        _log.debug("The factory of %s failed", spec, exc_info=True)
        raise DataError(f"The dataset {spec!r} could not be loaded: {cause(error)}") from error


def _parse(spec: str, argument: str) -> user_code.FunctionName:
    if not argument:
        raise OptionError(lacks(spec, "its module", FORMS))
    named = user_code.parse(argument)
    if named is None:
        raise OptionError(lacks(spec, "the name of its factory", FORMS))
    return named


@dataclasses.dataclass(frozen=True, eq=False)
class FactorySource:
    """A user's dataset, and the module of its factory, beside which its code finds what it imports.

    Pickled, the dataset follows the module: a decoding process imports that first, under the name by which the dataset
    refers to it.
    """

    module: user_code.UserModule
    dataset: DataSource

    name = property(attrgetter("dataset.name"))
    classes = property(attrgetter("dataset.classes"))
    notes = property(lambda self: tuple(getattr(self.dataset, "notes", ())))
    sorts_names = property(lambda self: not has_own_labels(self.dataset))
    in_memory = property(attrgetter("dataset.in_memory"))
    describe = property(attrgetter("dataset.describe"))

    @functools.cached_property
    def labels(self) -> NDArray[np.int64]:
        """The labels as int64 [N]: in a narrow type of integers, sums of labels would overflow."""
        import numpy as np

        return np.asarray(self.dataset.labels, np.int64)

    def read(self, index: int) -> torch.Tensor:
        """Return image ``index`` as the dataset does."""
        with self.module.importable():
            return self.dataset.read(index)

    def read_as(self, index: int, identity: bytes) -> torch.Tensor:
        """Return image ``index`` as the dataset does, if it is the one that ``identity`` is the hash of."""
        with self.module.importable():
            return read_as(self.dataset, index, identity)

    def __reduce__(self) -> tuple[Callable[..., FactorySource], tuple[type, user_code.UserModule, bytes]]:
        with self.module.importable():
            return _restore, (type(self), self.module, pickle.dumps(self.dataset))


class IdentifiedFactorySource(FactorySource):
    """A user's dataset that knows its images without decoding them."""

    key = property(attrgetter("dataset.key"))
    identities = property(attrgetter("dataset.identities"))


def _restore(kind: type[FactorySource], module: user_code.UserModule, pickled: bytes) -> FactorySource:
    with module.importable():
        return kind(module, pickle.loads(pickled))  # noqa: S301 (what this package pickled itself)
