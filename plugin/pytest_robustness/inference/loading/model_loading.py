"""Load a model, ask it for its first answers, and match its outputs to the classes of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.core import ClassMatch
from pytest_robustness.core.dataset import has_own_labels
from pytest_robustness.core.errors import BadImageError, DataError
from pytest_robustness.core.opened_files import recorded
from pytest_robustness.inference.loading.assumptions import assumed, origins
from pytest_robustness.inference.loading.class_matching import match, output_names
from pytest_robustness.inference.loading.first_answers import first_answers
from pytest_robustness.inference.loading.loaded_model import LoadedModel, kept_outputs
from pytest_robustness.inference.none_readable import none_readable
from pytest_robustness.inference.preprocess import to_canvas
from pytest_robustness.models.pretrained_cfg import has_other_outputs

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from pytest_robustness.core import Model, Origin, Selection
    from pytest_robustness.inference.loading.loaded_model import OutputRule
    from pytest_robustness.inference.user_calls.calls import UserCalls
    from pytest_robustness.models import ModelZoo


class OpenedModel(NamedTuple):
    """A model as its source gave it; it has answered nothing yet.

    ``files`` are those that decide which weights a published model has, there or not, and ``None`` where these are not
    known. ``origin`` is that of all of its set-up of which it says nothing else.
    """

    name: str
    model: Model
    files: tuple[Path, ...] | None
    published: bool
    origin: Origin = "published"


def open_model(name: str, zoo: ModelZoo, calls: UserCalls) -> OpenedModel:
    """Return the model called ``name``.

    Raises
    ------
    ModelError
        It cannot be loaded.
    """
    with calls.call(name, "when it was loaded"), recorded() as opened:
        model = zoo.load(name)
    looked_for = zoo.weights_files(name)
    files = (*looked_for, *opened) if any(path.is_file() for path in looked_for) else None
    return OpenedModel(name, model, files, zoo.published(name), zoo.origin(name))


def load_model(opened: OpenedModel, selection: Selection, calls: UserCalls, rule: OutputRule = "all") -> LoadedModel:
    """Return a model that is ready to be judged on the images of a run; ``rule`` says which of its outputs count.

    Where there are several, all are to be opened before one is loaded: its first answers may change what the
    fingerprints of the others cover, a counter of their common module, say.

    Raises
    ------
    ModelError
        It gives no answers that could be judged.
    DataError
        Its outputs do not match the classes of the data, one alone would count, or no image can be read.
    """
    name, canvas = opened.name, _first_canvas(opened.model, selection)
    with calls.call(name, "on its first images", batch=True):
        first = first_answers(name, opened.model, canvas)
    for text in first.warnings:
        calls.warn(text)
    model, classes, own_labels = first.model, selection.classes, has_own_labels(selection.source)
    names: tuple[str, ...] = ()
    if selection.labelled:
        matched = match(classes, first.outputs, model.classes, name, own_labels=own_labels)
    else:
        matched = ClassMatch("output", tuple(range(first.outputs)))
        names = output_names(first.outputs, model.classes, selection.source.classes, name, own_labels=own_labels)
    kept = kept_outputs(matched.outputs, first.outputs, rule)
    if len(kept) == 1:
        raise DataError(
            f"--robustness-outputs=data leaves {name} one output, so that each of its answers is right: the data has "
            f"one class. Judge with the images of more classes, or leave the option out."
        )
    height, width = canvas.shape[-2:]
    retrained = has_other_outputs(opened.model.module, first.outputs + opened.model.output_offset)
    guesses = assumed(model, matched, classes, (height, width), retrained=retrained)
    return LoadedModel(
        name,
        model,
        matched,
        pixels=height * width,
        assumed=guesses,
        published=opened.published,
        files=opened.files,
        classes=names,
        output_count=first.outputs,
        kept=kept,
        origins=origins(model, matched, guesses, opened.origin, published=opened.published),
    )


def _first_canvas(model: Model, selection: Selection) -> torch.Tensor:
    """Return the first readable image on the canvas of ``model``: uint8 [3, H, W]."""
    first: BadImageError | None = None
    for index in selection.indices:
        try:
            return to_canvas(selection.source.read(int(index)), model.preprocess.canvas)
        except BadImageError as error:
            first = first or error
    raise none_readable(selection.source, len(selection.indices), first)
