"""Answer a run from the store alone, where it holds all that is asked for: PyTorch is not even imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.inference.store.cells import StoredCells
from pytest_robustness.inference.sweep.unreadable import UnreadableImages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from pytest_robustness.inference.jobs import JobMaker
    from pytest_robustness.inference.loading.model_facts import ModelFacts
    from pytest_robustness.inference.remembered import Remembered
    from pytest_robustness.inference.store.store import Store


class KnownAnswers(NamedTuple):
    """The keys of cells that are whole in the store, what is known of their models, and the images left out."""

    keys: dict[Cell, str]
    models: dict[str, ModelFacts]
    unreadable: list[int]


def known_answers(
    cells: Sequence[Cell],
    bench: JobMaker,
    store: Store,
    remembered: Remembered,
    *,
    on_bad_image: Literal["error", "skip"],
    note: Callable[[str], None],
) -> KnownAnswers | None:
    """Return what the store knows of ``cells``; ``None`` unless it has every image of all of them.

    Only cells of published models under built-in transforms count: others have to be checked, or loaded to be
    recognized.

    Parameters
    ----------
    cells
        What is asked for.
    bench
        The images and transforms of the run.
    store, remembered
        What earlier runs left.
    on_bad_image, note
        As `UnreadableImages` takes them.
    """
    selection = bench.selection
    if not all(map(bench.published, cells)):
        return None
    facts: dict[str, ModelFacts] = {}
    for name in dict.fromkeys(cell.model for cell in cells):
        if (found := remembered.model(name, selection)) is None:
            return None
        facts[name] = bench.as_judged(found)
    if bench.same_classes and len({found.classes for found in facts.values()}) > 1:  # where they are loaded, it is said
        return None
    keys = {cell: bench.key(cell, facts[cell.model]) for cell in cells}
    stored = StoredCells(store, selection.identities, selection.labels)
    unreadable = UnreadableImages(selection, store, on_bad_image, note)
    known = unreadable.known()
    for cell in sorted(cells, key=lambda cell: cell.condition != CONTROL):
        outputs = facts[cell.model].outputs
        stored.update(keys[cell], outputs)
        if not (stored.present(keys[cell], outputs) | known).all():
            return None
    unreadable.find()
    return KnownAnswers(keys, facts, unreadable.positions.tolist())
