"""What the nodes of a cluster must have in common with the driver, and how an error says what one lacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pytest_robustness import data
from pytest_robustness.core import IdentifiedSource
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.data.identity import UNREADABLE
from pytest_robustness.inference.agreement import DATA, MODEL, counted, facts_of_models, facts_of_transforms, hash_of
from pytest_robustness.inference.jobs import transform_key
from pytest_robustness.inference.loading.model_facts import ModelFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import DataSource, Selection
    from pytest_robustness.inference.jobs import Job

# The content of as many images is compared on each node: enough to see that the data are others, and read in seconds.
_COMPARED: Final = 256
VERSION: Final = "version of "
_ADVICE: Final = {
    VERSION: "Install on every node what is installed here, {package} {expected}",
    DATA: "Every node must be able to read the same data under the same name: name a folder that all of them mount, "
    "or a URL",
    MODEL: "Every node needs the same weights and code: files that all of them mount, and a fixed seed where weights "
    "are drawn at random",
    "": "Every node needs the same code",
}


def facts_of_source(source: DataSource, indices: NDArray[np.int64]) -> dict[str, str]:
    """Return what a machine sees of the data without reading an image: classes, and labels and names at ``indices``."""
    if len(indices) and len(source.labels) <= int(indices.max()):
        return {f"{DATA}the labels": f"those of {len(source.labels)} images"}
    labels = source.labels[indices].astype("<i8").tobytes()
    facts = {
        f"{DATA}the classes": hash_of(json.dumps([label.key for label in source.classes]).encode()),
        f"{DATA}the labels": counted(indices, labels),
    }
    if isinstance(source, IdentifiedSource):
        names = json.dumps([source.key(int(index)) for index in indices])
        facts[f"{DATA}the names of the images"] = hash_of(names.encode(errors="surrogatepass"))
    return facts


def compared(selection: Selection) -> list[int]:
    """Return the positions of the images whose content is compared: those with the lowest hashes, so any of them."""
    identities = selection.identities.tolist()
    readable = [position for position, identity in enumerate(identities) if identity != UNREADABLE]
    return sorted(readable, key=identities.__getitem__)[:_COMPARED]


def fact_of_content(identities: NDArray[np.void]) -> dict[str, str]:
    """Return the fact of the content of the images that are compared: V16 [n]."""
    return {f"{DATA}the content of the images": hash_of(identities.tobytes())}


def content_here(source: DataSource, selection: Selection) -> dict[str, str]:
    """Return the same fact as this machine reads it."""
    return fact_of_content(data.identities(source, selection.indices[compared(selection)], FileHashes()))


def facts_of_jobs(jobs: Iterable[Job]) -> dict[str, str]:
    """Return what a machine has loaded: each model, and each transform with its parameters and code."""
    models = {job.loaded.name: ModelFacts.of_model(job.loaded) for job in jobs}
    keys = {job.condition: transform_key(job.transform, job.condition) for job in jobs}
    return facts_of_models(models) | facts_of_transforms(keys)


def lacking(node: str, found: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """Return an error for the first fact that a node has otherwise than the driver; empty where they agree."""
    for name, value in found.items():
        if name in expected and value != expected[name]:
            return difference_text(node, name, value, expected[name])
    return ""


def difference_text(node: str, name: str, found: str, expected: str) -> str:
    """Return the error for a fact that differs."""
    kind = next(kind for kind in _ADVICE if name.startswith(kind))
    what = name.removeprefix(DATA) if kind == DATA else name
    advice = _ADVICE[kind].format(package=name.removeprefix(VERSION), expected=expected)
    return (
        f"Ray's {node} would compute something else than this machine: of {what} it has {found or 'none'}, this "
        f"machine has {expected or 'none'}. {advice}; or leave the node out of the cluster."
    )


def cannot_text(node: str, reason: str) -> str:
    """Return the error for a node on which something fails."""
    return (
        f"Ray's {node} cannot compute: {reason.rstrip('.')}. Every node needs the data, the models and your code under "
        f"the names that they have here: on a file system that all of them mount, or installed. Or leave the node out "
        f"of the cluster."
    )
