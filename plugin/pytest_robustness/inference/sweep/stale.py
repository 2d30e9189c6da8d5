"""Which cells of the store are in doubt, once a few of its answers are found not to hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_robustness.core import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_robustness.inference.jobs import Job


class Stale(NamedTuple):
    """A job whose stored answers are not believed, and why.

    ``checked`` says that other answers were found, which ``text`` describes; else ``text`` is the error that kept them
    from being checked.
    """

    job: Job
    text: str
    checked: bool = True


class Doubt:
    """What else is in doubt besides the jobs that were found stale: cells that this run did not ask for.

    Where control of a model differs, its fingerprint lacks something, so that every cell with that fingerprint is in
    doubt. Where a transform of the user's differs, every cell with its key is.
    """

    def __init__(self, found: Iterable[Stale]) -> None:
        found = list(found)
        shown = [stale.job for stale in found if stale.checked]
        models = [job for job in shown if job.condition == CONTROL]
        self._keys = {stale.job.key for stale in found}
        self._fingerprints = {job.loaded.model.fingerprint for job in models}
        self._names = {job.loaded.name for job in models}
        conditions = [
            job.description
            for job in shown
            if job.loaded.model.fingerprint not in self._fingerprints and not getattr(job.transform, "published", False)
        ]
        self._transforms = {each["transform_key"] for each in conditions}
        self._conditions = {(each["transform"], each["severity"]) for each in conditions}

    def covers(self, key: str, description: Mapping[str, Any]) -> bool:
        """Whether the cell that the store has under ``key`` is in doubt; one of which nothing is known is."""
        if key in self._keys or not description:
            return True
        if "fingerprint" in description:
            return description["fingerprint"] in self._fingerprints or description["transform_key"] in self._transforms
        # An earlier version wrote it, and says no more of it.
        return (
            description["model"] in self._names
            or (description["transform"], description["severity"]) in self._conditions
        )
