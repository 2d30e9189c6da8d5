"""Find what nobody has asked of a store for a long time, and remove it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.inference import past_runs
from pytest_robustness.inference.store.pruning import Wanted, contents, remove_unwanted

if TYPE_CHECKING:
    from pytest_robustness.inference.past_runs import KnownData
    from pytest_robustness.inference.store.pruning import Contents
    from pytest_robustness.inference.store.store import Store


class Pruned(NamedTuple):
    """What was removed: the images of which runs stay and go, and how much the store had before and has now."""

    kept: list[KnownData]
    removed: list[KnownData]
    before: Contents
    after: Contents


def prune(store: Store, since: str) -> Pruned:
    """Forget the runs that ended before ``since``, and remove the answers that no other run may ask for.

    These are all answers of models that no remembered run since then had, and all on images that none chose. Studies of
    models that stay, and images without labels, are kept with them.

    Parameters
    ----------
    store
        The store; no other process may have it open.
    since
        A time as runs have it: ``2026-11-28 18:54 UTC``.

    Raises
    ------
    StoreError
        Another process has the store open, or the disk is full.
    """
    known, before = past_runs.known_data(store), contents(store.file)
    runs = {one.fingerprint: past_runs.past_runs(store, one.fingerprint) for one in known}
    left = {data: [run for run in found if run.when >= since] for data, found in runs.items()}
    every = [run for found in left.values() for run in found]
    wanted = Wanted(
        keys={key for run in every for key in run.log.keys.values()},
        models={facts.fingerprint for run in every for facts in run.log.models.values()},
        selections={data for data, found in left.items() if found},
    )
    remove_unwanted(store.file, wanted)
    for data, found in left.items():
        past_runs.keep_runs(store, data, found)
    kept = [one for one in known if left[one.fingerprint]]
    return Pruned(kept, [one for one in known if one not in kept], before, contents(store.file))
