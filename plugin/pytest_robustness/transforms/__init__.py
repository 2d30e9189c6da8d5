"""Transforms: the nine of the protocol, a user's own, chains of them, magnitudes, and the worst of several draws.

Importing this package does not import torch: only applying a transform needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.core.errors import OptionError
from pytest_robustness.transforms.operation import Span
from pytest_robustness.transforms.registry import Description, Registry
from pytest_robustness.transforms.standard import builtin

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from pytest_robustness.transforms.augmentations import AugmentationPolicy
    from pytest_robustness.transforms.class_conditional import ClassConditional

__all__ = ["Description", "Registry", "Span", "builtin", "load_augmentations"]


def load_augmentations(
    path: str | os.PathLike[str], *, classes: Sequence[str] | None = None, registry: Registry | None = None
) -> ClassConditional:
    """Return the augmentations of a file as a transform of torchvision, for a training loop.

    Parameters
    ----------
    path
        ``augmentations.yaml``, which a run with ``--robustness-studies=augmentation`` writes into its report folder.
    classes
        The names of the training set's classes in the order of its labels, such as a ``torchvision.datasets``
        dataset's ``classes``. ``None``: its labels count the classes as the data that was judged.
    registry
        Knows the transforms; ``None``: the built-in ones. A project's own are registered in a copy of these:
        ``registry = builtin()``, then ``pytest_robustness_register(registry)``.

    Returns
    -------
    ClassConditional
        It is called with an image and its label, or a batch and its labels, and returns both.

    Raises
    ------
    OptionError
        The file is not valid, a transform or magnitude of it is not known, or ``classes`` lacks a class of it.

    Examples
    --------
    As the transform of a dataset, before all others::

        steps = v2.Compose([load_augmentations("augmentations.yaml"), v2.ToDtype(torch.float32, scale=True)])
        data = CIFAR10(root, transforms=steps)

    On whole batches, as a collate function::

        augment = load_augmentations("augmentations.yaml")
        loader = DataLoader(data, batch_size=64, collate_fn=lambda rows: augment(*default_collate(rows)))
    """
    from pytest_robustness.transforms.augmentation_file import read_augmentations
    from pytest_robustness.transforms.class_conditional import ClassConditional

    policy = read_augmentations(path)
    by_label = {label: item.augmentations for label, item in zip(_labels(policy, classes), policy.classes, strict=True)}
    count = policy.class_count if classes is None else len(classes)
    return ClassConditional(by_label, count, builtin() if registry is None else registry)


def _labels(policy: AugmentationPolicy, classes: Sequence[str] | None) -> list[int]:
    """Return the label of each class of ``policy`` in the training set."""
    if classes is None:
        return [item.index for item in policy.classes]
    for item in policy.classes:
        if list(classes).count(item.name) != 1:
            times = "more than once" if item.name in classes else "not"
            raise OptionError(
                f"Class {item.name!r} of the augmentations is {times} among the {len(classes)} classes given: "
                f"{', '.join(classes[:5])}{', ...' if len(classes) > 5 else ''}. Give the names of the data that was "
                f"judged, or leave classes out where labels are the same."
            )
    return [list(classes).index(item.name) for item in policy.classes]
