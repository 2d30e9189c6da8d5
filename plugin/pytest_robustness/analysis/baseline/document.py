"""The baseline as a JSON document that people review: one accuracy a line."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_robustness.analysis.baseline.baseline import Baseline, BaselineModel
from pytest_robustness.analysis.baseline.protocol import RunProtocol
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Condition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_DECIMALS = 2


def compose(baseline: Baseline, labels: NDArray[np.int64]) -> dict[str, Any]:
    """Return all of ``baseline`` but the answers themselves; ``labels`` (int64 [N]) are the images' classes."""
    protocol = baseline.protocol
    return {
        "dataset": {
            "name": protocol.data,
            "fingerprint": protocol.dataset,
            "images": protocol.images,
            "unreadable": int(np.count_nonzero(~baseline.readable)),
            "classes": list(protocol.classes),
        },
        "protocol": {
            "seed": protocol.seed,
            "pipeline": protocol.pipeline,
            "tests": dict(protocol.tests),
            "conditions": {
                str(condition): {"transform": condition.transform, "severity": condition.severity, "key": key}
                for condition, key in protocol.transforms.items()
            },
        },
        "models": {
            name: {
                "fingerprint": model.fingerprint,
                "conditions": {
                    str(condition): _accuracies(right[baseline.readable], labels[baseline.readable], protocol.classes)
                    | _outcome(model, condition)
                    for condition, right in model.answers.items()
                },
            }
            for name, model in baseline.models.items()
        },
    }


def parse(content: Mapping[str, Any], readable: NDArray[np.bool_], answers: Iterator[NDArray[np.bool_]]) -> Baseline:
    """Return the baseline that `compose` was given; ``answers`` are bool [N] each, in the order of `cells`.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        When ``content`` is not such a document.
    """
    protocol = parse_protocol(content)
    named = {str(condition): condition for condition in protocol.transforms}
    by_cell = dict(zip(cells(content), answers, strict=True))
    models = {
        name: BaselineModel(
            fingerprint=model["fingerprint"],
            answers={named[condition]: by_cell[name, condition] for condition in model["conditions"]},
            outcomes={
                named[condition]: Outcome(cell["outcome"])
                for condition, cell in model["conditions"].items()
                if named[condition] != CONTROL
            },
        )
        for name, model in content["models"].items()
    }
    return Baseline(protocol, readable, models)


def parse_protocol(content: Mapping[str, Any]) -> RunProtocol:
    """Return the protocol of a document; raises what `parse` raises."""
    dataset, protocol = content["dataset"], content["protocol"]
    return RunProtocol(
        data=dataset["name"],
        dataset=dataset["fingerprint"],
        images=dataset["images"],
        classes=tuple(dataset["classes"]),
        seed=protocol["seed"],
        pipeline=protocol["pipeline"],
        transforms={Condition(c["transform"], c["severity"]): c["key"] for c in protocol["conditions"].values()},
        tests=protocol["tests"],
    )


def cells(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return model and condition of every row of answers, in the order of the rows."""
    return sorted((name, condition) for name, model in content["models"].items() for condition in model["conditions"])


def _outcome(model: BaselineModel, condition: Condition) -> dict[str, str]:
    return {} if condition == CONTROL else {"outcome": model.outcomes[condition].value}


def _accuracies(right: NDArray[np.bool_], labels: NDArray[np.int64], classes: Sequence[str]) -> dict[str, Any]:
    """Return what a diff should show of one cell: accuracies in percent; a class without images has none."""
    hits, images = (np.bincount(which, minlength=len(classes)).tolist() for which in (labels[right], labels))
    return {
        "correct": sum(hits),
        "accuracy": round(100 * sum(hits) / max(1, len(labels)), _DECIMALS),
        "classes": {
            name: round(100 * hit / n, _DECIMALS)
            for name, hit, n in zip(_unique(classes), hits, images, strict=True)
            if n
        },
    }


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names; one that several classes share is told apart by the number of the class."""
    count = Counter(names)
    return [name if count[name] == 1 else f"{name} ({i})" for i, name in enumerate(names)]
