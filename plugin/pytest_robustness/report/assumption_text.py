"""Warn of what a model is judged with on trust: a set-up that nothing gave, with what to write; content unhashed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.core import SETTINGS
from pytest_robustness.core.text import abridged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_robustness.core import Preprocess, Setting
    from pytest_robustness.inference.loading.model_facts import ModelFacts

# As many of the objects without a hash are named.
_NAMED: Final = 3
_FILES: Final = ("onnx", "openvino")
# Examples of values: those of most classifiers of ImageNet.
_SIZES: Final = {"resize": 256, "crop": 224}
_NORMALIZATION: Final = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_AS_TEXT: Final = " by name, in which 10 comes before 2"
_AS_NUMBERS: Final = " (training on torchvision's ImageFolder would have put 10 before 2)"
_SPREAD: Final = (
    " (pixels spread over the range that the scale of its integers gives, which is that of normalized values)"
)
_CLASSES: Final = '["...", "..."]'
# Arguments of `Preprocess` that need not be written.
_LEFT_OUT: Final = {"resize": None, "crop": None, "interpolation": "bilinear", "antialias": True}


def warning(model: str, facts: ModelFacts) -> str | None:
    """Return the warning about ``model``, by its full name; ``None`` where nothing was assumed."""
    if not facts.assumed:
        return None
    source, _, path = model.partition(":")
    advice = _sidecar(Path(path), facts) if source in _FILES else _factory(source, facts)
    texts, defaults = [*_assumptions(source, facts)], _defaults(facts)
    them, are = ("them", "they are") if len(texts) > 1 or defaults else ("it", "it is")
    retrained = " and its outputs are not those of timm's weights" if defaults else ""
    return (
        f"{model} was judged with {', '.join([*defaults, *texts])}, because nothing gives {them}{retrained}; if {are} "
        f"wrong, so are its figures. {advice}"
    )


def unhashed_warning(model: str, facts: ModelFacts) -> str | None:
    """Return the warning of what the fingerprint of ``model`` does not cover; ``None`` where it covers everything."""
    if not facts.unhashed:
        return None
    return (
        f"{model} holds {abridged(facts.unhashed, _NAMED)}, whose content cannot be hashed: a change in it is seen by "
        f"the check of stored answers alone."
    )


def _by_architecture(facts: ModelFacts) -> list[Setting]:
    """Return which of the settings that are warned of are timm's defaults of the architecture."""
    return [s for s in SETTINGS if s in facts.assumed and facts.origins.get(s) == "architecture"]


def _defaults(facts: ModelFacts) -> list[str]:
    """Return the text of timm's defaults of the architecture, as a list of one; empty where none is warned of."""
    preprocess, settings = facts.preprocess, _by_architecture(facts)
    texts = {
        "mean": f"mean {_numbers(preprocess.mean)}",
        "std": f"standard deviation {_numbers(preprocess.std)}",
        "size": _size(preprocess),
    }
    shown = "; ".join(texts[setting] for setting in settings)
    return [f"timm's defaults of the architecture ({shown})"] if settings else []


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


def _number(values: Sequence[float]) -> str:
    """Return the number that all channels have, or else one of each."""
    return f"{values[0]:.6g}" if len(set(values)) == 1 else _numbers(values)


def _size(preprocess: Preprocess) -> str:
    size = "the data's size" if preprocess.resize is None else f"{preprocess.resize} pixels"
    return f"images of {size}" + ("" if preprocess.crop is None else f", cropped to {preprocess.crop}")


def _assumptions(source: str, facts: ModelFacts) -> Iterator[str]:
    by_architecture = _by_architecture(facts)
    if "mean" in facts.assumed and "mean" not in by_architecture:
        yield f"mean {_number(facts.preprocess.mean)}"
    if "std" in facts.assumed and "std" not in by_architecture:
        # A file that takes integers whose scale says that they are of normalized values.
        spread = _SPREAD if source in _FILES and any(facts.preprocess.mean) and "mean" in facts.assumed else ""
        yield f"standard deviation {_number(facts.preprocess.std)}{spread}"
    if "size" in facts.assumed and "size" not in by_architecture:
        yield _size(facts.preprocess)
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
    unknown = set(facts.assumed).difference(_by_architecture(facts))
    sizes = _SIZES if "size" in unknown else {}
    normalization = {name: value for name, value in _NORMALIZATION.items() if name in unknown}
    arguments = facts.preprocess.parts | sizes | normalization
    written = ", ".join(f"{name}={value!r}" for name, value in arguments.items() if value != _LEFT_OUT.get(name, ()))
    call = f"return Model(module, Preprocess({written}), classes={_CLASSES})"
    if source == "python":
        return f"Let its factory {call}, with the values of its training."
    return f"Load it in a factory (python:FILE:FUNCTION) with {call}, and the values of its training."
