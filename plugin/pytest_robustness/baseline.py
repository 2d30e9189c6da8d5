"""The baseline: what models answered once, kept in two files that a repository can hold.

``robustness-baseline.json`` is for people: the protocol, and each model's accuracies under every condition, one a line, so
that a diff shows what changed. ``robustness-baseline.npy`` beside it is for the tests: one bit per image and cell. The
JSON holds its sha256, so the two cannot drift apart. The bits are not compressed further: 50,000 images under 46
conditions take 0.3 MB, git compresses what it keeps, and the bytes of a compressor depend on its version.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_robustness.errors import BaselineError
from pytest_robustness.records import Condition, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SCHEMA_VERSION = 1
_DECIMALS = 2
_WAY_OUT = "Restore both files from version control, or write them anew with --robustness-update-baseline."


@dataclasses.dataclass(frozen=True)
class RunProtocol:
    """What two runs must share for their answers to be compared image by image.

    Parameters
    ----------
    data, dataset, images
        The data as the user named it, the fingerprint of the selection of images, and their number.
    classes
        The names of the classes, in the order of the labels.
    seed
        Of the transforms' random draws.
    pipeline
        The version of the way from canvas to prediction.
    transforms
        What each condition's images depend on (`records.Transform.key`), control included.
    tests
        The options of the model tests, which their stored verdicts depend on; the answers do not.
    """

    data: str
    dataset: str
    images: int
    classes: tuple[str, ...]
    seed: int
    pipeline: int
    transforms: Mapping[Condition, str]
    tests: Mapping[str, str | float]


@dataclasses.dataclass(frozen=True, eq=False)
class BaselineModel:
    """One model of a baseline.

    ``answers`` says which images it got right (bool [N] by condition, control included), ``outcomes`` what its model
    tests said, ``fingerprint`` which weights it had.
    """

    fingerprint: str
    answers: Mapping[Condition, NDArray[np.bool_]]
    outcomes: Mapping[Condition, Outcome]


@dataclasses.dataclass(frozen=True, eq=False)
class Baseline:
    """The answers of one model or more; ``readable`` says which images could be read (bool [N])."""

    protocol: RunProtocol
    readable: NDArray[np.bool_]
    models: Mapping[str, BaselineModel]

    def model(self, name: str | None = None) -> BaselineModel:
        """Return the model called ``name``; without a name, the only one.

        Raises
        ------
        BaselineError
            When there is no such model, or several to choose from.
        """
        known = ", ".join(sorted(self.models))
        if name is None:
            if len(self.models) != 1:
                raise BaselineError(f"The baseline holds {len(self.models)} models; name one of them: {known}.")
            return next(iter(self.models.values()))
        if name not in self.models:
            raise BaselineError(f"{name!r} is not a model of the baseline. Known: {known}.")
        return self.models[name]


def answers_path(path: Path) -> Path:
    """Return where the answers of the baseline at ``path`` are."""
    return path.with_suffix(".npy")


def write(baseline: Baseline, labels: NDArray[np.int64], path: Path) -> bool:
    """Write both files, each whole or not at all, and return whether anything changed.

    The same baseline gives the same bytes, and files that hold them already are left alone.

    Parameters
    ----------
    baseline
        What to keep.
    labels
        The class of each image: int64 [N].
    path
        The JSON file; its folder is made where absent.

    Raises
    ------
    BaselineError
        When the files cannot be written.
    """
    packed = _pack(baseline)
    content = _content(baseline, labels) | {"answers_sha256": hashlib.sha256(packed).hexdigest()}
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The JSON comes last: a process that dies between the two leaves a pair that `read` refuses.
        changed = [_publish(answers_path(path), packed), _publish(path, text.encode())]
    except OSError as error:
        raise BaselineError(
            f"The baseline cannot be written to {path}: {error.strerror}. Name another file with "
            f"--robustness-baseline FILE; nothing has to be computed again."
        ) from error
    return any(changed)


def read(path: Path) -> Baseline:
    """Read both files.

    Raises
    ------
    BaselineError
        When one is missing, damaged, newer than this code, or does not belong to the other.
    """
    content = _read_json(path)
    try:
        protocol = _protocol(content)
        cells = [(model, name) for model, entry in content["models"].items() for name in entry["conditions"]]
        rows = iter(_read_rows(path, content["answers_sha256"], 1 + len(cells), protocol.images))
        readable = next(rows)
        answers = dict(zip(cells, rows, strict=True))
        named = {str(condition): condition for condition in protocol.transforms}
        models = {
            model: BaselineModel(
                entry["fingerprint"],
                {named[name]: answers[model, name] for name in entry["conditions"]},
                {
                    named[name]: Outcome(cell["outcome"])
                    for name, cell in entry["conditions"].items()
                    if "outcome" in cell
                },
            )
            for model, entry in content["models"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    return Baseline(protocol, readable, models)


def require_comparable(baseline: RunProtocol, run: RunProtocol, path: Path, *, tests: bool = False) -> None:
    """Refuse a baseline that this run cannot be compared with.

    Parameters
    ----------
    baseline, run
        Both protocols. The run may have fewer conditions.
    path
        Where the baseline is.
    tests
        Whether the verdicts of model tests are to be compared too.

    Raises
    ------
    BaselineError
        It lists every difference.
    """
    found = differences(baseline, run)
    if tests:
        names = sorted({*baseline.tests, *run.tests})
        found += [
            f"{name}: {baseline.tests.get(name)} in the baseline, {run.tests.get(name)} in this run"
            for name in names
            if baseline.tests.get(name) != run.tests.get(name)
        ]
    if found:
        listed = "\n".join(f"  - {difference}" for difference in found)
        raise BaselineError(
            f"{path} is not comparable with this run:\n{listed}\n"
            f"Run as the baseline was run, or write a new one with --robustness-update-baseline."
        )


def differences(baseline: RunProtocol, run: RunProtocol) -> list[str]:
    """Return what keeps the answers of two runs from being compared, one sentence for each difference."""
    found = []
    if (baseline.dataset, baseline.images) != (run.dataset, run.images):
        found.append(f"images: {_data(baseline)} in the baseline, {_data(run)} in this run")
    if baseline.classes != run.classes:
        found.append(f"classes: {_class_difference(baseline.classes, run.classes)}")
    found += [
        f"{name}: {old} in the baseline, {new} in this run"
        for name, old, new in (("seed", baseline.seed, run.seed), ("pipeline", baseline.pipeline, run.pipeline))
        if old != new
    ]
    kept = ", ".join(sorted(map(str, baseline.transforms)))
    for condition, key in run.transforms.items():
        if condition not in baseline.transforms:
            found.append(f"{condition}: not in the baseline, which has {kept}")
        elif baseline.transforms[condition] != key:
            found.append(f"{condition}: {baseline.transforms[condition]} in the baseline, {key} in this run")
    return found


def _data(protocol: RunProtocol) -> str:
    return f"{protocol.images} of {protocol.data} (fingerprint {protocol.dataset[:12]})"


def _class_difference(baseline: Sequence[str], run: Sequence[str]) -> str:
    if len(baseline) != len(run):
        return f"{len(baseline)} in the baseline, {len(run)} in this run"
    index, old, new = next((i, *pair) for i, pair in enumerate(zip(baseline, run, strict=True)) if pair[0] != pair[1])
    return f"class {index} is {old!r} in the baseline, {new!r} in this run"


def _cells(baseline: Baseline) -> list[tuple[str, Condition]]:
    """Return the order of the rows of answers: that of the sorted JSON."""
    return [
        (name, condition)
        for name in sorted(baseline.models)
        for condition in sorted(baseline.models[name].answers, key=str)
    ]


def _pack(baseline: Baseline) -> bytes:
    """Return the answers as a NumPy file: uint8 [1 + cells, ceil(N / 8)], the readable images first."""
    answers = [baseline.models[name].answers[condition] for name, condition in _cells(baseline)]
    buffer = io.BytesIO()
    np.save(buffer, np.packbits(np.stack([baseline.readable, *answers]), axis=1))
    return buffer.getvalue()


def _content(baseline: Baseline, labels: NDArray[np.int64]) -> dict[str, Any]:
    protocol = baseline.protocol
    names = _unique(protocol.classes)
    of_class = np.bincount(labels[baseline.readable], minlength=len(names))
    return {
        "schema_version": SCHEMA_VERSION,
        "dataset": {
            "name": protocol.data,
            "fingerprint": protocol.dataset,
            "images": protocol.images,
            "unreadable": int(protocol.images - baseline.readable.sum()),
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
                    str(condition): _accuracies(right[baseline.readable], labels[baseline.readable], of_class, names)
                    | ({"outcome": model.outcomes[condition].value} if condition in model.outcomes else {})
                    for condition, right in model.answers.items()
                },
            }
            for name, model in baseline.models.items()
        },
    }


def _accuracies(
    right: NDArray[np.bool_], labels: NDArray[np.int64], of_class: NDArray[np.int64], names: Sequence[str]
) -> dict[str, Any]:
    """Return what a diff should show of one cell: accuracies in percent; a class without images has none."""
    hits = np.bincount(labels[right], minlength=len(names))
    shares = {name: (100 * hit / n) for name, hit, n in zip(names, hits.tolist(), of_class.tolist(), strict=True) if n}
    return {
        "correct": int(right.sum()),
        "accuracy": round(100 * int(right.sum()) / max(1, len(right)), _DECIMALS),
        "classes": {name: round(share, _DECIMALS) for name, share in shares.items()},
    }


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names, those that several classes share with the number of the class."""
    count = Counter(names)
    return [name if count[name] == 1 else f"{name} ({i})" for i, name in enumerate(names)]


def _protocol(content: Mapping[str, Any]) -> RunProtocol:
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


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BaselineError(
            f"There is no baseline at {path}. Run the model in production once with --robustness-update-baseline, and "
            f"commit {path.name} and {answers_path(path).name}."
        ) from None
    except OSError as error:
        raise BaselineError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise _damaged(path, "it has no schema_version")
    if version > SCHEMA_VERSION:
        raise BaselineError(
            f"{path} was written by a newer pytest-robustness (baseline schema {version}; this one reads schema "
            f"{SCHEMA_VERSION}). Upgrade pytest-robustness, or write the baseline anew with --robustness-update-baseline."
        )
    return dict(content)


def _read_rows(path: Path, sha256: str, rows: int, images: int) -> NDArray[np.bool_]:
    """Return the rows of answers: bool [rows, images]."""
    beside = answers_path(path)
    try:
        packed = beside.read_bytes()
    except FileNotFoundError:
        raise BaselineError(
            f"{beside} is missing: it holds the answers that belong to {path.name}. {_WAY_OUT}"
        ) from None
    except OSError as error:
        raise BaselineError(f"{beside} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(packed).hexdigest() != sha256:
        raise BaselineError(f"{beside} does not belong to {path.name}: its sha256 is another. {_WAY_OUT}")
    bits = np.load(io.BytesIO(packed), allow_pickle=False)
    if bits.shape != (rows, -(-images // 8)):
        raise ValueError(f"{rows} rows of {images} answers expected, got {bits.shape} bytes")
    return np.unpackbits(bits, axis=1, count=images).astype(np.bool_)


def _damaged(path: Path, reason: str) -> BaselineError:
    return BaselineError(f"{path} is damaged, or is no baseline ({reason}). {_WAY_OUT}")


def _publish(path: Path, content: bytes) -> bool:
    """Put ``content`` at ``path`` in one step unless it is there already; return whether it was not."""
    if path.exists() and path.read_bytes() == content:
        return False
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)
    return True
