"""Warn of what a model is judged with on trust: a set-up that nothing gave, with what to write; content unhashed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.core.text import abridged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_robustness.inference.model_facts import ModelFacts

# As many of the objects without a hash are named.
_NAMED: Final = 3
_FILES: Final = ("onnx", "openvino")
# Examples of values: those of most classifiers of ImageNet.
_SIZES: Final = {"resize": 256, "crop": 224}
_NORMALIZATION: Final = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_AS_TEXT: Final = " by name, in which 10 comes before 2"
_AS_NUMBERS: Final = " (training on torchvision's ImageFolder would have put 10 before 2)"
_CLASSES: Final = '["...", "..."]'
# Arguments of `Preprocess` that need not be written.
_LEFT_OUT: Final = {"resize": None, "crop": None, "interpolation": "bilinear", "antialias": True}


def warning(model: str, facts: ModelFacts) -> str | None:
    """Return the warning about ``model``, by its full name; ``None`` where nothing was assumed."""
    if not facts.assumed:
        return None
    source, _, path = model.partition(":")
    advice = _sidecar(Path(path), facts) if source in _FILES else _factory(source, facts)
    texts = [*_assumptions(facts)]
    them, are = ("them", "they are") if len(texts) > 1 else ("it", "it is")
    return (
        f"{model} was judged with {', '.join(texts)}, because nothing gives {them}; if {are} wrong, so "
        f"are its figures. {advice}"
    )


def unhashed_warning(model: str, facts: ModelFacts) -> str | None:
    """Return the warning of what the fingerprint of ``model`` does not cover; ``None`` where it covers everything."""
    if not facts.unhashed:
        return None
    return (
        f"{model} holds {abridged(facts.unhashed, _NAMED)}, whose content cannot be hashed: a change in it is seen by "
        f"the check of stored answers alone."
    )


def _assumptions(facts: ModelFacts) -> Iterator[str]:
    preprocess = facts.preprocess
    if "mean" in facts.assumed:
        yield "mean 0"
    if "std" in facts.assumed:
        yield "standard deviation 1"
    if "size" in facts.assumed:
        size = "the data's size" if preprocess.resize is None else f"{preprocess.resize} pixels"
        yield f"images of {size}" + ("" if preprocess.crop is None else f", cropped to {preprocess.crop}")
    if "classes" in facts.assumed:
        yield f"outputs in the order of the data's classes{_AS_TEXT if 'numbers' in facts.assumed else ''}"
    elif "numbers" in facts.assumed:
        yield f"outputs in the order of the numbers that its classes are called by{_AS_NUMBERS}"


def _sidecar(path: Path, facts: ModelFacts) -> str:
    """Return what to write into the sidecar of the model file ``path``."""
    found: dict[str, Any] = {}
    if "size" in facts.assumed:
        preprocess = facts.preprocess
        found |= {"resize": preprocess.resize, "crop": preprocess.crop} if preprocess.resize else _SIZES
    found |= {name: value for name, value in _NORMALIZATION.items() if name in facts.assumed}
    if not {"classes", "numbers"}.isdisjoint(facts.assumed):
        found["classes"] = json.loads(_CLASSES)
    return f"Write into {path}.json, with the values of its training: {json.dumps(found)}"


def _factory(source: str, facts: ModelFacts) -> str:
    """Return what a factory must return."""
    sizes = _SIZES if "size" in facts.assumed else {}
    normalization = {name: value for name, value in _NORMALIZATION.items() if name in facts.assumed}
    arguments = facts.preprocess.parts | sizes | normalization
    written = ", ".join(f"{name}={value!r}" for name, value in arguments.items() if value != _LEFT_OUT.get(name, ()))
    call = f"return Model(module, Preprocess({written}), classes={_CLASSES})"
    if source == "python":
        return f"Let its factory {call}, with the values of its training."
    return f"Load it in a factory (python:FILE:FUNCTION) with {call}, and the values of its training."
