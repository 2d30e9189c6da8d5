"""Build the report of what a store remembers: without models, and without the data where nothing has to be drawn."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_robustness import data
from pytest_robustness.analysis.judge import Judge
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.analysis.studies.evidence import Evidence, StudyOptions
from pytest_robustness.analysis.studies.examiner import Examiner
from pytest_robustness.core.errors import DataError, OptionError, StoreError
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.core.files import short_path
from pytest_robustness.core.text import counted
from pytest_robustness.inference.image_names import ImageNames
from pytest_robustness.inference.past_runs import known_data, latest, past_runs
from pytest_robustness.inference.store.store import Store
from pytest_robustness.report.build import RunRecord, build_report
from pytest_robustness.report.earlier import with_earlier
from pytest_robustness.transforms import builtin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_robustness.core import DataSource
    from pytest_robustness.inference.past_runs import KnownData, PastRun
    from pytest_robustness.report.run_report import RunReport

_SHORT = 12


class Recalled(NamedTuple):
    """The report of what a store remembers of some images.

    Parameters
    ----------
    report
        The report; ``None`` where the store remembers no run that can be reported.
    lines
        Which images it is of, and which others the store remembers runs on.
    """

    report: RunReport | None
    lines: tuple[str, ...]


@contextlib.contextmanager
def recalled(path: Path, wanted: str | None) -> Iterator[Recalled]:
    """Give the report of what the store at ``path`` remembers of the images of the latest run.

    The latest run comes first: its findings, judged by its policy, and its verdict. What earlier runs on the same
    images found is added as far as they computed with the same. The store is open as long as the block runs.

    Parameters
    ----------
    path
        The store.
    wanted
        The name of the data, or how the fingerprint of the images begins: the latest run on such images is taken.

    Raises
    ------
    StoreError
        There is no store, or it cannot be read.
    OptionError
        Data is named that the store remembers nothing of.
    RobustnessError
        The store lacks answers.
    """
    if not path.is_file():
        raise StoreError(
            f"There is no store at {short_path(path)}. A run writes it: --robustness-store names the file."
        )
    store = Store(path)
    try:
        known = known_data(store)
        if not known:
            yield Recalled(None, ())
            return
        chosen = _chosen(known, wanted)
        yield Recalled(_report(store, past_runs(store, chosen.fingerprint)), tuple(_lines(chosen, known)))
    finally:
        store.close()


def _chosen(known: list[KnownData], wanted: str | None) -> KnownData:
    fitting = [one for one in known if wanted is None or one.name == wanted or one.fingerprint.startswith(wanted)]
    if fitting:
        return fitting[-1]
    listed = "\n".join(f"  {described(one)}" for one in reversed(known))
    raise OptionError(f"The store remembers no run on {wanted!r}. It has:\n{listed}")


def _lines(chosen: KnownData, known: list[KnownData]) -> Iterator[str]:
    yield f"Run: {described(chosen)}"
    others = [one for one in reversed(known) if one != chosen]
    if others:
        yield "The store remembers runs on other images; --data takes a name, or how a fingerprint begins:"
        yield from (f"  {described(one)}" for one in others)


def described(known: KnownData) -> str:
    """Return which images the store remembers runs of, in words."""
    drawn = "" if known.limit is None else f", {known.limit} per class"
    short = known.fingerprint[:_SHORT]
    return f"{known.name}, {counted(known.images, 'image')}{drawn}, {known.when} (fingerprint {short})"


def _report(store: Store, runs: list[PastRun]) -> RunReport | None:
    *past, last = runs
    log, policy, registry = last.log, TestPolicy(**last.policy), builtin()
    images = _StoredImages(store, last)
    predictions = StoredPredictions(lambda: store, log)

    def judge_of(read: StoredPredictions, of: Any) -> Judge:
        return Judge(read, of, policy, None, expect_baseline=False)

    judge = judge_of(predictions, log)
    asked = StudyOptions(1, last.seed, 1)
    examiner = Examiner(Evidence(predictions, log, judge, registry, asked, images.images, ImageNames(images.images)))
    options = log.provenance.get("options", {})
    record = RunRecord(
        log,
        images,
        predictions,
        judge,
        examiner,
        registry,
        last.seed,
        options.get("chance_check", "error"),
        str(log.provenance.get("command", "")),
    )
    own = build_report(record, last.models, last.conditions)
    if own is None:
        return None
    own = dataclasses.replace(own, notes=(_note(last, options), *own.notes))
    return with_earlier(record, own, past, latest(runs), judge_of) if past else own


def _note(run: PastRun, options: Mapping[str, Any]) -> str:
    compared = " Comparisons with a baseline and studies are left out." if options.get("baseline") else ""
    return f"Written from the store: what it remembers of a run of {run.when}.{compared}"


class _StoredImages:
    """The store, and the images of a run as far as the data is still there and the same."""

    def __init__(self, store: Store, run: PastRun) -> None:
        self.store = store
        self._run = run
        self._opened: tuple[DataSource, NDArray[np.int64]] | None = None

    def images(self) -> tuple[DataSource, NDArray[np.int64]]:
        """Return the source of the images and the indices of those chosen (int64 [n]).

        Raises
        ------
        DataError
            When they are no longer there, or are others now.
        """
        if self._opened is None:
            options = self._run.log.provenance.get("options", {})
            source = data.open_source(str(options.get("data")), labelled=options.get("labels") != "none")
            indices = data.select(source, options.get("limit"), self._run.seed)
            hashes = FileHashes(self.store.path.with_suffix(".hashes"))
            stored = self.store.selection(self._run.log.dataset).images
            if not np.array_equal(data.identities(source, indices, hashes), stored):
                raise DataError(f"{source.name} holds other images than when they were judged")
            self._opened = source, indices
        return self._opened
