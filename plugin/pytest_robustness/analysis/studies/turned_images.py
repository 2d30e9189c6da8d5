"""Turned images: which images of the data are upside down, on their side or mirrored by accident?"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_robustness.analysis.statistics.upright_view import VIEWS, log_odds
from pytest_robustness.analysis.studies.turned_evidence import exif_tags, has_labels, view_condition, viewed_images
from pytest_robustness.analysis.studies.turned_ranking import (
    AGREEING,
    Ranking,
    ViewedImages,
    prefers_tag,
    rank_images,
    turn_of_tag,
)
from pytest_robustness.analysis.study_finding import Curve, StudyFinding, StudyPicture
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.analysis.study_finding import Figure

FEWEST_IMAGES: Final = 100
"""Of fewer images the shares are not estimated."""
_MOST_HIDDEN: Final = 0.1
_SHOWN: Final = 0.1
_MOST_UNLABELLED: Final = 0.5  # Where more seem turned by the top answers, these tell nothing of what is upright.
_NOT_LOOKED_FOR: Final = "mirrored images are not looked for: the models do not tell them"


class TurnedImages:
    """Lists the images that models understand better turned than as they are stored."""

    name = "turned_images"
    title = "Turned images"
    about = (
        "Is an image upside down, on its side or mirrored by accident? Each is shown to the models as it is stored "
        "and in the seven other ways that a square can lie; the upright one of these views has the highest log-odds"
        " of the label, more often than not. The share of turned images and the probability of each are estimated "
        "from the images alone. Listed are as many as keep the expected share of upright ones within 20 %, where at"
        " least two models agree on the turn. That supposes one upright view of each image, as clear as those of "
        "the others: where objects lie in any direction or look alike turned, and with weak models, fewer of the "
        "list are turned than is stated. So the precision stands as the most that it can be; its lower end supposes "
        "that accidents happen to all classes alike, and allows for chance. The list is to be looked at. Mirrored "
        "images are looked for where the models notice mirroring. Where they do not, an image that is upside down may "
        "need turn180 where vflip is proposed: look at both. An EXIF orientation is reported and never obeyed blindly."
    )
    columns: Mapping[str, str] = {
        "images": "images",
        "listed": "listed",
        "precision": "precision of the list, at most, %",
        "precision_low": "from, %",
        "turned_share": "turned images, estimated, %",
        "share_low": "from, %",
        "share_high": "to, %",
        "tagged": "EXIF tags other than 1",
        "tags_preferred": "of these better as tagged",
        "mirrored": "mirrored images",
        "labels": "judged by",
    }
    main = ""
    item_name = "images"
    item_columns: Mapping[str, str] = {
        "rank": "rank",
        "file": "file",
        "class": "class",
        "listed": "listed",
        "turn": "turn proposed",
        "gain": "gain in log-odds",
        "probability": "probability that it is turned, %",
        "precision": "precision up to here, at most, %",
        "agreeing": "models that agree, with their gains",
        "unlabelled_gain": "gain of the top answer",
        "exif": "EXIF tag",
        "prefer": "preferred by the models",
    }

    def examine(self, evidence: Evidence, request: Cell | Panel) -> StudyFinding:
        """Rank the images of the run by how probably they are turned; see `Study`."""
        models = request.models
        able = evidence.able({model: [Cell(model, view_condition(view)) for view in VIEWS] for model in models})
        labelled, tags = has_labels(evidence, able), exif_tags(evidence)
        images = viewed_images(evidence, able, tags, labelled=labelled)
        if len(images.positions) < FEWEST_IMAGES:
            return _too_few(self, images, labelled=labelled)
        ranking = rank_images(images)
        return _finding(self, evidence, images, ranking, labelled=labelled)


def _finding(
    study: TurnedImages, evidence: Evidence, images: ViewedImages, ranking: Ranking, *, labelled: bool
) -> StudyFinding:
    verdict = _verdict(images, ranking, labelled=labelled)
    items, pictures = _items(evidence, images, ranking)
    figures = _figures(images, ranking, labelled=labelled)
    shown = max(1, len(items))
    ranks = tuple(float(rank) for rank in range(1, shown + 1))
    curve = Curve(
        "precision, at most",
        ranks,
        tuple(100 * float(value) for value in ranking.precision[:shown]),
        x_title="images from the top of the list",
        y_title="of these turned, %",
    )
    return StudyFinding(
        study.name,
        images.models,
        CONTROL,
        verdict,
        verdict.reason,
        figures,
        details=tuple(_details(figures, items)),
        items=tuple(items),
        curves=(curve,) if len(items) > 1 else (),  # a point alone is no curve
        pictures=tuple(pictures),
    )


def _verdict(images: ViewedImages, ranking: Ranking, *, labelled: bool) -> Verdict:
    count, listed, interval = len(images.positions), int(ranking.listed.sum()), ranking.interval
    if len(images.models) < AGREEING:
        return Verdict(
            Outcome.INCONCLUSIVE,
            f"One model alone is no evidence that an image is turned: {images.models[0]}. Name two or more with "
            f"--robustness-models",
        )
    if not labelled and ranking.fit.turned > _MOST_UNLABELLED:
        return Verdict(
            Outcome.INCONCLUSIVE,
            f"The models are surer of {100 * ranking.fit.turned:.0f} % of {count:,} images turned than as they are "
            f"stored: their top answers do not tell here which view is upright. It takes labels",
        )
    if listed:
        low, stated = (100 * (value or 0) for value in (ranking.stated_low, ranking.stated))
        return Verdict(
            Outcome.FAIL,
            f"{listed:,} of {count:,} image{'s seem' if listed > 1 else ' seems'} to be turned or flipped by accident: "
            f"by estimate {low:.0f} to {stated:.0f} % of the list. "
            f"Look at them: objects that lie in any direction are listed, too",
        )
    if interval.low * count >= 1:
        return Verdict(
            Outcome.INCONCLUSIVE,
            f"About {ranking.fit.turned * count:,.0f} of {count:,} images seem to be turned, but of none is it clear "
            f"enough to list it",
        )
    if interval.high > _MOST_HIDDEN:
        return Verdict(
            Outcome.INCONCLUSIVE,
            f"The models hardly tell turned images from others here: up to {100 * interval.high:.0f} % of the "
            f"{count:,} images could be turned",
        )
    mirrored, note = (" or mirrored", "") if ranking.fit.mirror_told else ("", f"; {_NOT_LOOKED_FOR}")
    return Verdict(
        Outcome.PASS,
        f"No image seems to be turned{mirrored}: at most {interval.high * count:,.0f} of {count:,} could be "
        f"({100 * interval.high:.1f} %, upper end of the 95 % interval){note}",
    )


def _figures(images: ViewedImages, ranking: Ranking | None, *, labelled: bool) -> dict[str, Figure]:
    tagged = np.flatnonzero(images.tags != 1)
    figures: dict[str, Figure] = dict.fromkeys(TurnedImages.columns)
    figures |= {"images": len(images.positions), "tagged": len(tagged), "labels": "label" if labelled else "top answer"}
    if ranking is None:
        return figures
    return figures | {
        "listed": int(ranking.listed.sum()),
        "precision": None if ranking.stated is None else 100 * ranking.stated,
        "precision_low": None if ranking.stated_low is None else 100 * ranking.stated_low,
        # The fit never says that no image at all is turned.
        "turned_share": round(100 * ranking.fit.turned, 3),
        "share_low": 100 * ranking.interval.low,
        "share_high": 100 * ranking.interval.high,
        "mirrored": "looked for" if ranking.fit.mirror_told else "not looked for",
        "tags_preferred": sum(prefers_tag(images, ranking, int(row)) for row in tagged),
    }


def _items(
    evidence: Evidence, images: ViewedImages, ranking: Ranking
) -> tuple[list[dict[str, Figure]], list[StudyPicture]]:
    """Return the most suspicious images, then those with a tag; and how to draw the first."""
    most = evidence.options.suspects
    rank_of = {int(row): rank for rank, row in enumerate(ranking.order)}
    suspects = [int(row) for row, p in zip(ranking.order, ranking.probability, strict=True) if p >= _SHOWN][:most]
    suspects += [int(row) for row in np.flatnonzero(images.tags != 1)[:most] if int(row) not in suspects]
    files = evidence.names.of(images.positions[suspects], len(evidence.predictions.identities)) if suspects else []
    top = _top_answers(evidence, images, suspects)
    items: list[dict[str, Figure]] = []
    pictures: list[StudyPicture] = []
    for place, (row, file) in enumerate(zip(suspects, files, strict=True)):
        turn = int(ranking.turn[row])
        tag = int(images.tags[row])
        label = int(evidence.predictions.labels[images.positions[row]])
        gains = images.by_model[:, row, turn] - images.by_model[:, row, 0]
        agreeing = [
            f"{model} {gain:+.1f}"
            for model, gain, yes in zip(images.models, gains, ranking.agreeing[:, row], strict=True)
            if yes
        ]
        prefer = "" if tag == 1 else "as tagged" if prefers_tag(images, ranking, row) else "as stored"
        rank = rank_of[row]
        items.append(
            {
                "rank": rank + 1,
                "file": file,
                "class": evidence.predictions.class_names[label] if label >= 0 else "",
                "listed": bool(ranking.listed[row]),
                "turn": VIEWS[turn],
                "gain": float(gains.mean()),
                "probability": 100 * float(ranking.probability[rank]),
                "precision": 100 * float(ranking.precision[rank]),
                "agreeing": ", ".join(agreeing),
                "unlabelled_gain": float(top[place, turn] - top[place, 0]),
                "exif": tag,
                "prefer": prefer,
            }
        )
        name = PurePath(file).name or f"image {images.positions[row]}"
        of = f"{items[-1]['class']}, {name}" if label >= 0 else name
        shown, said = VIEWS[turn], f"{VIEWS[turn]}, {100 * ranking.probability[rank]:.0f} %"
        if ranking.probability[rank] < _SHOWN:  # it is among them for its tag
            shown = turn_of_tag(tag)
            said = f"its EXIF tag {tag} says {shown}; the models prefer it {prefer}"
        pictures.append(StudyPicture(int(images.positions[row]), Condition(shown), images.models[0], f"{of}: {said}"))
    return items, pictures


def _top_answers(evidence: Evidence, images: ViewedImages, rows: list[int]) -> NDArray[np.float64]:
    """Return the mean log-odds of the models' top answers to some images, by view: float64 [k, 8]."""
    chosen = images.positions[rows]
    known = [
        [log_odds(evidence.predictions.scored(Cell(model, view_condition(view))).probability[chosen]) for view in VIEWS]
        for model in images.models
    ]
    return np.asarray(np.mean(known, axis=0)).T


def _details(figures: Mapping[str, Figure], items: Sequence[Mapping[str, Figure]]) -> list[str]:
    interval = f"[{figures['share_low']:.1f}, {figures['share_high']:.1f}]"
    lines = [f"estimated share of turned images by the {figures['labels']}: {figures['turned_share']:.1f} % {interval}"]
    lines += [
        f"{item['file'] or 'image'} ({item['class']}): {item['turn']} gains {item['gain']:+.1f}, turned with "
        f"{item['probability']:.0f} %"
        for item in items
        if item["listed"]
    ][:5]
    if figures["tagged"]:
        lines.append(
            f"{figures['tagged']} with an EXIF orientation other than 1: the models prefer {figures['tags_preferred']} "
            f"of them as tagged"
        )
    lines += [_NOT_LOOKED_FOR] * (figures["mirrored"] != "looked for")
    lines.append("an image and its mirror image look alike to most models: look at both before you turn a file")
    return [*lines, "--robustness-suspects=N sets how many images the report shows"]


def _too_few(study: TurnedImages, images: ViewedImages, *, labelled: bool) -> StudyFinding:
    few = counted(len(images.positions), "image is", "images are")
    reason = f"{few} too few to estimate how many are turned. It takes {FEWEST_IMAGES}, better 500."
    verdict = Verdict(Outcome.INCONCLUSIVE, reason)
    return StudyFinding(study.name, images.models, CONTROL, verdict, reason, _figures(images, None, labelled=labelled))
