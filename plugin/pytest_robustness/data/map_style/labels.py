"""Read the labels of map-style datasets, as their items have them.

An item's label is what ``dataset[i][1]`` returns. Reading all items decodes all images, so that ``targets`` are used
where a dataset has them, after its ``target_transform``, and where a sample of its items agrees.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pytest_robustness.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SAMPLE: Final = 64
_FIRST_OF_CLASSES: Final = 32
_VALID: Final = "Valid: an attribute targets with one integer per image, or items (image, label)."
_log = logging.getLogger(__name__)


class Labels(NamedTuple):
    """The label of every image (int64 [N]), and what a user should know about where they come from."""

    values: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def labels_of(spec: str, dataset: Any, classes: int) -> Labels:
    """Return the label of every item of ``dataset``, which has ``classes`` classes.

    Raises
    ------
    DataError
        An item cannot be read where it must be, or a label is no integer from 0 to ``classes - 1``.
    """
    try:
        targets = _targets(dataset)
    except Exception as error:  # a user's attribute may raise anything
        raise _unreadable(spec, error) from error
    if targets is None:
        return Labels(_all(spec, dataset, classes))
    checked = check_labels(spec, targets, classes, images=len(dataset))
    differing = _disagreeing(spec, dataset, checked, classes)
    if differing is None:
        return Labels(checked)
    index, own = differing
    note = (
        f"{spec} has targets that differ from the labels of its items: image {index} has {checked[index]} there and "
        f"{own} as an item. The labels of the items were used."
    )
    return Labels(_all(spec, dataset, classes), (note,))


def check_labels(spec: str, labels: NDArray[Any], classes: int, images: int | None = None) -> NDArray[np.int64]:
    """Return ``labels`` as int64 [N], where there is one valid label for each of ``images``.

    Raises
    ------
    DataError
        There is none, another number of them, or one that is no integer from 0 to ``classes - 1``.
    """
    if images == 0 or labels.shape == (0,):
        raise DataError(f"{spec} has no image.")
    if labels.ndim != 1 or (images is not None and len(labels) != images):
        have = "labels" if images is None else f"{images} images but labels"
        raise DataError(f"{spec} has {have} of shape {list(labels.shape)}. Valid: one each.")
    valid = f"Valid: integers from 0 to {classes - 1}."
    if labels.dtype.kind not in "iu":
        kind = "objects" if labels.dtype == object else f"{labels.dtype}"
        raise DataError(f"{spec} has labels that are {kind}, such as {_shown(labels[:1].tolist()[0])}. {valid}")
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"{spec} has {labels.dtype} labels from {labels.min()} to {labels.max()} for {classes} classes. {valid}"
        )
    return labels.astype(np.int64)


def _targets(dataset: Any) -> NDArray[Any] | None:
    """Return the targets of ``dataset``, of what it is a subset of, or of its parts; ``None`` where it has none."""
    if hasattr(dataset, "targets"):
        targets, transform = np.asarray(dataset.targets), getattr(dataset, "target_transform", None)
        # As the datasets of torchvision do for each item.
        return targets if transform is None else np.asarray([transform(target) for target in targets.tolist()])
    if is_subset(dataset):
        whole = _targets(dataset.dataset)
        return None if whole is None else whole[np.asarray(dataset.indices, np.int64)]
    parts = [_targets(part) for part in parts_of(dataset)]
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known and len(known) == len(parts) else None


def is_subset(dataset: Any) -> bool:
    """Return whether ``dataset`` has some of the items of another, its ``dataset``."""
    from torch.utils.data import Subset

    return isinstance(dataset, Subset)


def parts_of(dataset: Any) -> Sequence[Any]:
    """Return the datasets that ``dataset`` joins; none if it joins none."""
    from torch.utils.data import ConcatDataset

    return dataset.datasets if isinstance(dataset, ConcatDataset) else ()


def _disagreeing(spec: str, dataset: Any, targets: NDArray[np.int64], classes: int) -> tuple[int, int] | None:
    """Return the first item of a sample whose label is not its target, with that label; skip unreadable items."""
    for index in _sample(targets):
        try:
            label = dataset[int(index)][1]
        except Exception:  # its reader may raise anything; the sweep reports it
            _log.debug("%s[%d] cannot be read", spec, index, exc_info=True)
            continue
        own = _label(spec, int(index), label, classes)
        if own != targets[index]:
            return int(index), own
    return None


def _sample(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first item of each class, of at most 32, and others at random: 64 in all; int64 [n], ascending."""
    first = np.sort(np.unique(targets, return_index=True)[1])[:_FIRST_OF_CLASSES]
    drawn = np.argsort(np.random.PCG64(len(targets)).random_raw(len(targets)), kind="stable")
    return np.unique(np.concatenate([first, drawn[: _SAMPLE - len(first)]])).astype(np.int64)


def _all(spec: str, dataset: Any, classes: int) -> NDArray[np.int64]:
    if not len(dataset):
        raise DataError(f"{spec} has no image.")
    labels = []
    for index in range(len(dataset)):
        try:
            label = dataset[index][1]
        except Exception as error:
            raise _unreadable(spec, error) from error
        labels.append(_label(spec, index, label, classes))
    return np.asarray(labels, np.int64)


def _label(spec: str, index: int, label: object, classes: int) -> int:
    """Return the label of one item as an integer: Python's, or an array or tensor of one."""
    try:
        value = np.asarray(label)
    except Exception as error:  # a list of unequal parts, a tensor of another device
        raise _unreadable(spec, error) from error
    if value.size != 1 or value.dtype.kind not in "iu" or not 0 <= value.item() < classes:
        raise DataError(
            f"{spec}[{index}] has the label {_shown(label)}. Valid: an integer from 0 to {classes - 1}; a "
            f"target_transform may turn it into one."
        )
    return int(value.item())


def _shown(label: object) -> str:
    try:
        return repr(label)[:80]
    except Exception:  # a user's class may have any __repr__
        _log.debug("a label has no text", exc_info=True)
        return f"a value of type {type(label).__name__}"


def _unreadable(spec: str, error: Exception) -> DataError:
    _log.debug("the labels of %s cannot be read", spec, exc_info=True)
    return DataError(f"The labels of {spec} cannot be read: {type(error).__name__}: {error}. {_VALID}")
