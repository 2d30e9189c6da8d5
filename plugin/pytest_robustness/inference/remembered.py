"""Remember what a run found out about models and the machine, so that a later run that computes nothing loads neither.

Only models of released packages are remembered: their code and weights change with versions and files, which are
compared: those that were read, and those that would be read in their place if they were there. PyTorch is not imported
here.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest_robustness
from pytest_robustness.core.content import content_hash, patches
from pytest_robustness.core.dataset import has_own_labels
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.provenance import version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_robustness.core import Selection
    from pytest_robustness.core.file_hashes import FileHashes
    from pytest_robustness.inference.store.store import Store
    from pytest_robustness.models import ModelZoo

_log = logging.getLogger(__name__)

_PACKAGES: Final = ("pytest-robustness", "torch", "torchvision", "timm", "safetensors", "numpy")
_PROC: Final = Path("/proc")
# What says whether a machine has another accelerator than before.
_DEVICES: Final = ("nvidia*", "kfd", "dxg", "dri/render*")


class Remembered:
    """Recalls facts from the store, as long as nothing that they depend on has changed.

    Parameters
    ----------
    store
        Where they are kept.
    zoo
        Says where it would read weights now, and hashes their files.
    """

    def __init__(self, store: Store, zoo: ModelZoo) -> None:
        self._store = store
        self._zoo = zoo
        self._hashes = zoo.hashes

    def put_model(self, name: str, selection: Selection, facts: ModelFacts, files: Iterable[Path]) -> None:
        """Remember a model that was matched to the classes of the data.

        ``files`` decide which weights it has, also by not being there.
        """
        content = {"facts": facts.as_dict(), "files": self._digests(map(str, files))}
        self._store.remember(self._name_of_model(name, selection), json.dumps(content))

    def model(self, name: str, selection: Selection) -> ModelFacts | None:
        """Return what is known of a model without loading it; ``None`` where it has to be loaded."""
        text = self._store.recall(self._name_of_model(name, selection))
        if text is None:
            return None
        content = json.loads(text)
        if content["files"] != self._digests(content["files"]):
            return None
        return ModelFacts.of(content["facts"])

    def put_machine(self, options: Sequence[object], device: str, precision: str) -> None:
        """Remember the device and the precision that ``options`` led to on this machine."""
        self._store.remember(self._name("machine", *options, *_devices()), json.dumps([device, precision]))

    def machine(self, options: Sequence[object]) -> tuple[str, str] | None:
        """Return the device and the precision that ``options`` led to on this machine; ``None`` where it is unknown."""
        text = self._store.recall(self._name("machine", *options, *_devices()))
        if text is None:
            return None
        device, precision = json.loads(text)
        return device, precision

    def _name_of_model(self, name: str, selection: Selection) -> str:
        return self._name("model", name, self._classes(selection), *self._zoo.weights_place, *_patched())

    def _name(self, *parts: object) -> str:
        text = json.dumps([*map(str, parts), *_installed(self._hashes)])
        return f"{parts[0]} {hashlib.sha256(text.encode()).hexdigest()}"

    def _digests(self, files: Iterable[str]) -> dict[str, str]:
        found = {}
        for file in files:
            try:
                found[file] = self._hashes.digest(Path(file)).hex()
            except OSError:
                _log.debug("%s cannot be hashed", file, exc_info=True)
                found[file] = "unreadable"
        return found

    def _classes(self, selection: Selection) -> str:
        named = [[label.key, label.name] for label in selection.source.classes]
        return json.dumps([selection.labelled, has_own_labels(selection.source), named])


def _patched() -> list[str]:
    """Return a hash of what the user's code has put into the libraries that models are made of, if it has."""
    found = patches()
    return [content_hash(found).digest.hex()] if found else []


@functools.cache
def _installed(hashes: FileHashes) -> tuple[str, ...]:
    """Return versions of packages, and the hash of this one's files: an editable install has one version for all."""
    return (*(str(version_of(package)) for package in _PACKAGES), _own_files(hashes))


def _own_files(hashes: FileHashes) -> str:
    root = Path(pytest_robustness.__file__).parent
    files = sorted(path for path in root.rglob("*") if path.suffix in (".py", ".csv", ".safetensors"))
    digests = hashes.digests(root, [os.fsencode(path.relative_to(root).as_posix()) for path in files])
    return hashlib.sha256(b"".join(bytes(16) if isinstance(one, OSError) else one for one in digests)).hexdigest()


def _devices() -> list[str]:
    """Return what the machine shows of its processor and of accelerators, without asking PyTorch."""
    folder = Path("/dev")
    nodes = sorted(str(node) for pattern in _DEVICES for node in folder.glob(pattern)) if folder.is_dir() else []
    chosen = {name: value for name, value in os.environ.items() if name.endswith("_VISIBLE_DEVICES")}
    return [sys.platform, platform.machine(), *nodes, *_kinds(), *(f"{name}={chosen[name]}" for name in sorted(chosen))]


def _kinds() -> list[str]:
    """Return which processor and which GPUs the machine has: a store is copied, and the next one may lack bf16."""
    files = [_PROC / "cpuinfo", *sorted((_PROC / "driver/nvidia/gpus").glob("*/information"))]
    found = []
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            _log.debug("%s cannot be read", file, exc_info=True)
            continue
        known: dict[str, str] = {}
        for line in lines:  # of the first processor
            name, _, value = line.partition(":")
            known.setdefault(name.strip(), value.strip())
        found += [known[name] for name in ("model name", "flags", "Features", "Model") if name in known]
    return found
