"""How many turned images are found, and how true the stated precision is: ``python benchmarks/turned_images.py``.

Every image of a folder is shown to the models once in all eight ways that a square can lie, as the study does. A turned
image has the views of the upright one in another order: so images can be turned at random, again and again, without
computing anything, and what the study then states is compared with which images were turned.

``python benchmarks/turned_images.py --data imagenet:PATH --models python:tests/real/efficientnet_lite.py:NAME ...``
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.stats import rankdata

from pytest_robustness import Condition, evaluate, transformed
from pytest_robustness.analysis.statistics.upright_view import VIEWS, log_odds
from pytest_robustness.analysis.studies.turned_ranking import ViewedImages, rank_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TOP = 50


class Answers(NamedTuple):
    """Log-odds of the label and of the answer, by model, image and view: float64 [M, n, 8]; classes int64 [n]."""

    label: Floats
    answer: Floats
    classes: NDArray[np.int64]


class Found(NamedTuple):
    """What one draw of turned images gave; shares are in percent.

    Of the turned images among the first, ``left`` are proposed a turn that leaves them on their head or side, and
    ``mirrored`` one that sets them upright and mirrors them.
    """

    auroc: float
    auroc_of_vflip: float
    first_true: float
    first_stated: float
    left: float
    mirrored: float
    listed: float
    true: float
    stated: float
    stated_low: float
    share: float
    share_covered: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Show the models all views where that was not done before, plant turned images, and print the tables."""
    options = _parser().parse_args(arguments)
    started = time.monotonic()
    answers = _answers(options)
    print(f"{answers.label.shape[1]} images, {len(options.models)} models: {time.monotonic() - started:.0f} s")
    accuracy = ", ".join(f"{share:.1f}" for share in 100 * (answers.label[..., 0] >= answers.answer[..., 0]).mean(1))
    print(f"answers as the label says, %: {accuracy}\n")
    results: dict[str, list[Found]] = {}
    for labelled, share, turn in options.plant:
        row = f"{share:g} % {turn}{'' if labelled else ', without labels'}"
        results[row] = [planted(answers, share / 100, turn, seed, labelled=labelled) for seed in range(options.seeds)]
        print(summary(row, results[row]), flush=True)
    if options.out is not None:
        options.out.write_text(json.dumps({row: [one._asdict() for one in many] for row, many in results.items()}))


def _answers(options: argparse.Namespace) -> Answers:
    """Return what the models answer to all views, from the file where it stands already."""
    if options.answers is not None and options.answers.exists():
        with np.load(options.answers) as kept:
            return Answers(kept["label"], kept["answer"], kept["classes"])
    found = evaluate(options.models, options.data, list(VIEWS[1:]), limit=options.limit, workers=0, store=options.store)
    table = found.to_frame("images")
    if found.errors or table["probability"].isna().any():
        raise SystemExit(f"not all could be computed: {found.errors}")
    models = list(dict.fromkeys(table["model"]))
    order = table.set_index(["model", "transform", "position"]).sort_index()
    label, answer = (
        np.array([[log_odds(order.loc[(model, view), name].to_numpy()) for view in VIEWS] for model in models])
        for name in ("true_probability", "probability")
    )
    classes = order.loc[(models[0], VIEWS[0]), "class_index"].to_numpy(np.int64)
    answers = Answers(label.transpose(0, 2, 1), answer.transpose(0, 2, 1), classes)
    if options.answers is not None:
        np.savez(options.answers, **answers._asdict())
    return answers


def planted(answers: Answers, share: float, turn: str, seed: int, *, labelled: bool) -> Found:
    """Turn a share of the images, drawn at random, and compare what the study states with what was done."""
    known = answers.label if labelled else answers.answer
    models, n, _ = known.shape
    rows = np.random.default_rng(seed).choice(n, round(share * n), replace=False)
    turned = np.isin(np.arange(n), rows)
    stored = known.copy()
    stored[:, rows] = known[:, rows][..., _views_after(turn)]
    classes = answers.classes if labelled else np.full(n, -1)
    names = tuple(str(model) for model in range(models))
    ranking = rank_images(ViewedImages(names, np.arange(n), stored, np.ones(n, np.uint8), classes))
    first = ranking.order[:TOP]
    probability = np.empty(n)
    probability[ranking.order] = ranking.probability
    hits = [row for row in first if turned[row]]
    outcomes = [_then(turn, VIEWS[ranking.turn[row]]) for row in hits]
    low, high = ranking.interval
    return Found(
        auroc=auroc(probability, turned),
        auroc_of_vflip=auroc((stored[..., VIEWS.index("vflip")] - stored[..., 0]).mean(axis=0), turned),
        first_true=100 * len(hits) / len(first),
        first_stated=100 * float(ranking.precision[len(first) - 1]),
        left=sum(outcome not in ("control", "hflip") for outcome in outcomes),
        mirrored=outcomes.count("hflip"),
        listed=int(ranking.listed.sum()),
        true=100 * float(turned[ranking.listed].mean()) if ranking.listed.any() else np.nan,
        stated=np.nan if ranking.stated is None else 100 * ranking.stated,
        stated_low=np.nan if ranking.stated_low is None else 100 * ranking.stated_low,
        share=100 * ranking.fit.turned,
        share_covered=100 * (low <= share <= high),
    )


def auroc(score: Floats, positive: NDArray[np.bool_]) -> float:
    """Return how often a positive image has the higher score: the Mann-Whitney statistic, ties count half."""
    ranks, count = rankdata(score), int(positive.sum())
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(score) - count)))


def _views_after(turn: str) -> list[int]:
    """Return which view of the upright image each view of the turned one is."""
    return [VIEWS.index(_then(turn, view)) for view in VIEWS]


def _then(first: str, second: str) -> str:
    """Return the one view that two of them after each other are, by what they do to four pixels."""
    corners = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    both = _seen(_seen(corners, first), second)
    return next(view for view in VIEWS if torch.equal(_seen(corners, view), both))


def _seen(images: torch.Tensor, view: str) -> torch.Tensor:
    return images if view == "control" else transformed(images, Condition(view))


def summary(row: str, found: Sequence[Found]) -> str:
    """Return the means over the draws, and in how many the stated precision was within 10 points of the true one."""
    mean = Found(*(float(np.nanmean([one[i] for one in found])) for i in range(len(Found._fields))))
    near = [abs(one.true - one.stated) <= 10 for one in found]
    near_first = [abs(one.first_true - one.first_stated) <= 10 for one in found]
    return (
        f"{row}, {len(found)} draws\n"
        f"  AUROC {mean.auroc:.3f}; of the difference between vflip and as stored {mean.auroc_of_vflip:.3f}\n"
        f"  first {TOP}: {mean.first_true:.0f} % turned, {mean.first_stated:.0f} % stated; within 10 points in "
        f"{sum(near_first)}; left turned {mean.left:.2f}, mirrored {mean.mirrored:.2f}\n"
        f"  list of {mean.listed:.0f}: {mean.true:.0f} % turned, {mean.stated_low:.0f} to {mean.stated:.0f} % stated; "
        f"within 10 points in {sum(near)}\n"
        f"  share of turned images {mean.share:.1f} %; in its interval in {mean.share_covered:.0f} %"
    )


def _plant(text: str) -> tuple[bool, float, str]:
    share, turn, *labels = text.split(":")
    return labels != ["unlabelled"], float(share), turn


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="as --robustness-data takes it")
    parser.add_argument("--models", nargs="+", required=True, help="as --robustness-models takes them")
    parser.add_argument("--limit", type=int, default=None, help="images of each class; all by default")
    parser.add_argument("--seeds", type=int, default=20, help="draws of turned images (default: %(default)s)")
    parser.add_argument("--store", default=None, help="where answers are kept (default: as a run does)")
    parser.add_argument("--answers", type=Path, default=None, help="a .npz file that keeps what the models answered")
    parser.add_argument("--out", type=Path, default=None, help="a JSON file for the figures of every draw")
    parser.add_argument(
        "--plant",
        nargs="+",
        type=_plant,
        default=[_plant(text) for text in PLANTED],
        metavar="PERCENT:VIEW[:unlabelled]",
        help=f"how many images to turn, and how (default: {' '.join(PLANTED)})",
    )
    return parser


PLANTED = ("50:vflip", "5:vflip", "5:turn180", "5:turn90", "5:vflip:unlabelled")

if __name__ == "__main__":
    main()
