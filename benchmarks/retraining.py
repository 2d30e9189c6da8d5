"""Retrain models of the embedded zoo with the augmentations that a run proposes, and judge what that mends and harms.

``python benchmarks/retraining.py --policy REPORT/augmentations.yaml``. The file comes from
``pytest --robustness-studies=augmentation`` on the embedded digits. Each architecture is trained with and without it on
the training half, from the same seeds, and judged on the other half. A pair of a class and a transform is sensitive
where the images of the class show a change over the trained models at alpha 0.05 (the image half of the class test:
random signs, corrected by Holm's method); in one model alone, where McNemar's exact test of its answers rejects.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from pytest_robustness import data
from pytest_robustness.analysis.image_evidence import ChangedImages, class_images
from pytest_robustness.analysis.predictions import Answers
from pytest_robustness.analysis.statistics import mcnemar_by_class
from pytest_robustness.core import CONTROL
from pytest_robustness.models.digits import CLASSES
from pytest_robustness.models.digits.train import Half, halves, normalized, train
from pytest_robustness.transforms import builtin, load_augmentations
from pytest_robustness.transforms.augmentation_file import read_augmentations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import Condition
    from pytest_robustness.transforms.augmentations import AugmentationPolicy

    Right = Mapping[Condition, NDArray[np.bool_]]
    Pair = tuple[int, str]

ALPHA = 0.05
ARMS = ("without", "with")
REGISTRY = builtin()
CONDITIONS = (CONTROL, *REGISTRY.conditions(REGISTRY.names(), (3,)))


class Harm(NamedTuple):
    """A class that fewer trained models get right with the policy than without, under one condition."""

    condition: str
    class_name: str
    without: float
    with_policy: float
    p: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, judge, print the tables, and write all figures."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    options.answers.mkdir(parents=True, exist_ok=True)
    training, judged = halves()
    views = judged_under(judged)
    found: dict[tuple[str, str, int], Right] = {}
    for seed, name, arm in itertools.product(options.seeds, options.models, ARMS):
        file = options.answers / f"{name}-{arm}-{seed}-{options.epochs}.npy"
        if not file.exists():
            started = time.process_time()
            augment = load_augmentations(options.policy) if arm == "with" else None
            module = train(name, training, options.epochs, seed, augment)
            np.save(file, right_answers(module, judged, views))
            print(f"{name}, seed {seed}, {arm}: {time.process_time() - started:.0f} s", flush=True)
        found[arm, name, seed] = dict(zip(CONDITIONS, np.load(file), strict=True))
    figures = summary(found, judged.labels.numpy(), read_augmentations(options.policy), options.models)
    figures |= {"epochs": options.epochs, "seeds": len(options.seeds)}
    print(table(figures))
    if options.out is not None:
        options.out.write_text(json.dumps(figures, indent=1))


def judged_under(judged: Half) -> dict[Condition, torch.Tensor]:
    """Return the canvases of the judged half under each condition, with the draws of a run: uint8 [N, 3, 16, 16]."""
    source = data.open_source("digits", download=False)
    identities = data.identities(source, np.arange(len(source.labels)), None)
    views = {CONTROL: judged.images}
    for condition in CONDITIONS[1:]:
        transform = REGISTRY.get(condition.transform)
        views[condition] = transform(judged.images, condition.severity, identities, 0)
    return views


def right_answers(module: torch.nn.Module, judged: Half, views: Mapping[Condition, torch.Tensor]) -> NDArray[np.bool_]:
    """Return which images a trained model gets right under each condition: bool [conditions, N]."""
    with torch.inference_mode():
        answers = [module(normalized(views[condition])).argmax(1) for condition in CONDITIONS]
    return (torch.stack(answers) == judged.labels).numpy()


def summary(
    found: Mapping[tuple[str, str, int], Right],
    labels: NDArray[np.int64],
    policy: AugmentationPolicy,
    models: Sequence[str],
) -> dict[str, object]:
    """Return the figures of all trainings."""
    covered = {(c.index, one.transform) for c in policy.classes for one in c.augmentations}
    pairs = covered | {(left.index, left.transform) for left in policy.left_out}
    seeds = sorted({seed for _, _, seed in found})
    figures: dict[str, object] = {"models": list(models), "pairs": len(pairs), "covered": len(covered)}
    for arm in ARMS:
        by_seed = [sensitive_pairs([found[arm, name, seed] for name in models], labels) for seed in seeds]
        alone = [_sensitive_alone(right, labels) for key, right in found.items() if key[0] == arm]
        figures[arm] = {
            "control": _mean(100 * right[CONTROL].mean() for key, right in found.items() if key[0] == arm),
            "treated": {
                str(condition): _mean(100 * right[condition].mean() for key, right in found.items() if key[0] == arm)
                for condition in CONDITIONS[1:]
            },
            "sensitive": [len(pairs & sensitive) for sensitive in by_seed],
            "sensitive covered": [len(covered & sensitive) for sensitive in by_seed],
            "sensitive left out": [len((pairs - covered) & sensitive) for sensitive in by_seed],
            "sensitive by transform": {
                condition.transform: _mean(
                    sum(name == condition.transform for _, name in pairs & sensitive) for sensitive in by_seed
                )
                for condition in CONDITIONS[1:]
            },
            "by model": _mean(len(pairs & sensitive) for sensitive in alone),
            "by model covered": _mean(len(covered & sensitive) for sensitive in alone),
        }
    figures["harmed"] = [harm._asdict() for harm in harmed_classes(found, labels)]
    return figures


def sensitive_pairs(models: Sequence[Right], labels: NDArray[np.int64]) -> set[Pair]:
    """Return the classes and transforms of which the images show a change over ``models``."""
    return {
        (c, condition.transform)
        for condition in CONDITIONS[1:]
        for c, images in enumerate(_class_images([(right[CONTROL], right[condition]) for right in models], labels))
        if images.significant(ALPHA)
    }


def harmed_classes(found: Mapping[tuple[str, str, int], Right], labels: NDArray[np.int64]) -> list[Harm]:
    """Return every class that fell by the policy under a condition, control first, the significant ones first."""
    both = [(right, found["with", *key[1:]]) for key, right in found.items() if key[0] == "without"]
    harms = []
    for condition in CONDITIONS:
        changed = _class_images([(before[condition], after[condition]) for before, after in both], labels)
        for c, images in enumerate(changed):
            if images.difference < 0:
                rates = [100 * _mean(arm[i][condition][labels == c].mean() for arm in both) for i in (0, 1)]
                harms.append(Harm(str(condition), CLASSES[c], *rates, images.p_adjusted))
    return sorted(harms, key=lambda harm: (harm.condition != str(CONTROL), harm.p, harm.with_policy - harm.without))


def table(figures: Mapping[str, object]) -> str:
    """Return the figures as text."""
    without, policy = figures["without"], figures["with"]
    rows = [
        ("control accuracy, %", without["control"], policy["control"]),
        *((f"accuracy under {name}, %", without["treated"][name], value) for name, value in policy["treated"].items()),
        (f"sensitive of {figures['pairs']} pairs", _mean(without["sensitive"]), _mean(policy["sensitive"])),
        *(
            (f"... {name}", without["sensitive by transform"][name], value)
            for name, value in policy["sensitive by transform"].items()
        ),
        (
            f"sensitive of the {figures['covered']} covered",
            _mean(without["sensitive covered"]),
            _mean(policy["sensitive covered"]),
        ),
        ("sensitive in one model alone", without["by model"], policy["by model"]),
        ("... of those covered", without["by model covered"], policy["by model covered"]),
    ]
    lines = [f"{', '.join(figures['models'])}; {figures['seeds']} seeds, {figures['epochs']} epochs"]
    lines += [f"{'':38} {'without':>9} {'with':>9}"]
    lines += [f"{name:38} {before:9.2f} {after:9.2f}" for name, before, after in rows]
    lines += ["Harmed classes:"]
    lines += [
        f"  {h['condition']:28} {h['class_name']}: {h['without']:.1f} to {h['with_policy']:.1f} %, p {h['p']:.2g}"
        for h in figures["harmed"]
    ]
    return "\n".join(lines)


def _class_images(pairs: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]], labels: NDArray[np.int64]):
    readable = np.ones(len(labels), bool)
    answers = [(Answers(readable, before), Answers(readable, after)) for before, after in pairs]
    return class_images(ChangedImages.between(answers, labels), len(CLASSES), ALPHA)


def _sensitive_alone(right: Right, labels: NDArray[np.int64]) -> set[Pair]:
    return {
        (c, condition.transform)
        for condition in CONDITIONS[1:]
        for c, result in enumerate(
            mcnemar_by_class(right[CONTROL], right[condition], labels, len(CLASSES), alpha=ALPHA)
        )
        if result.rejects(ALPHA)
    }


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([*values]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, required=True, help="augmentations.yaml")
    parser.add_argument("--models", nargs="+", default=["vgg16_bn", "resnet18"], help="architectures of digits12")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--answers", type=Path, required=True, help="a folder for what is trained, and not twice")
    return parser


if __name__ == "__main__":
    main()
