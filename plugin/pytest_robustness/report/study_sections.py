"""Ask the studies of a run again, from the store, for its report."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from pytest_robustness.analysis.studies import STUDIES
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.report.gallery import Drawn
from pytest_robustness.report.run_report import StudySection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_robustness.analysis.studies.examiner import Examiner
    from pytest_robustness.analysis.study_finding import StudyFinding, StudyPicture
    from pytest_robustness.core import Condition
    from pytest_robustness.inference.run_log import RunLog, StudyRequest
    from pytest_robustness.report.pictures import Pictures

_log = logging.getLogger(__name__)


def study_sections(
    log: RunLog,
    examiner: Examiner,
    models: Sequence[str],
    conditions: Sequence[Condition],
    pictures: Callable[[], Pictures],
) -> Iterator[StudySection]:
    """Yield what the studies found, in the order of the studies, and of each in that of the options.

    Parameters
    ----------
    log
        What the studies were asked.
    examiner
        Answers them.
    models, conditions
        Those of the run, in order.
    pictures
        Returns what draws images.
    """
    asked = [request for request in log.studied if examiner.answered(request)]
    for name in STUDIES:
        requests = [request for request in asked if request.study == name]
        found = [finding for request in requests if (finding := _examined(examiner, request)) is not None]
        if not found:
            continue
        # By condition, and under each what concerns all models before what concerns one.
        found.sort(key=lambda one: (_place(one.condition, conditions), -len(one.models), _place(one.models[0], models)))
        wanted = dict.fromkeys(picture for finding in found for picture in finding.pictures)
        yield StudySection(examiner.study(name), tuple(found), _drawn(pictures, tuple(wanted)))


def _examined(examiner: Examiner, request: StudyRequest) -> StudyFinding | None:
    """Return the answer to a study; ``None`` where it could not be answered, which its test says."""
    try:
        return examiner.examine(request)
    except RobustnessError:
        _log.debug("%s cannot be examined again", request.study, exc_info=True)
        return None


def _place(one: Condition | str, many: Sequence[Condition] | Sequence[str]) -> int:
    return many.index(one) if one in many else -1


def _drawn(pictures: Callable[[], Pictures], wanted: Sequence[StudyPicture]) -> dict[StudyPicture, Drawn]:
    """Draw what is shown; where the data is gone, each picture gets a note with the reason."""
    images = [Drawn(picture.model, picture.condition, picture.position) for picture in wanted]
    if not images:
        return {}
    try:
        return dict(zip(wanted, pictures().drawn(images), strict=True))
    except RobustnessError as error:
        _log.debug("the images cannot be opened again", exc_info=True)
        note = f"The image could not be opened again: {error}"
        return {picture: dataclasses.replace(one, note=note) for picture, one in zip(wanted, images, strict=True)}
