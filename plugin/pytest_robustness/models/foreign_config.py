"""Configurations that come with a model of others: refuse those that ask for code, or for what lies elsewhere.

A library obeys a configuration where its caller says nothing else, and some of what it may say is a command: run the
Python beside it, fetch a kernel, read the weights of another file.
"""

from __future__ import annotations

import contextlib
import importlib.util
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.core.errors import ModelError
from pytest_robustness.core.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_CODE: Final = "which would run code that comes with it"
_KERNEL: Final = "which would fetch code from a hub and run it"
_ELSEWHERE: Final = "which would read a model from elsewhere"


def _any_text(value: object, sign: str) -> bool:
    if isinstance(value, dict):
        return any(_any_text(item, sign) for item in value.values())
    return isinstance(value, str) and sign in value


def _of_classifier(value: object) -> bool:
    """Whether an ``auto_map`` names code for what is read here; that for other tasks is never asked for."""
    return isinstance(value, dict) and not _READ.isdisjoint(value)


_READ: Final = frozenset(
    ("AutoConfig", "AutoModelForImageClassification", "AutoImageProcessor", "AutoFeatureExtractor", "AutoProcessor")
)
_REFUSED: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "trust_remote_code": (bool, _CODE),
    "auto_map": (_of_classifier, _CODE),
    "attn_implementation": (lambda value: _any_text(value, "/"), _KERNEL),
    "_attn_implementation": (lambda value: _any_text(value, "/"), _KERNEL),
    "checkpoint_path": (bool, _ELSEWHERE),
    # A plain name is one of timm's own architectures: hf-hub:owner/name and local-dir:path are not.
    "architecture": (lambda value: _any_text(value, ":") or _any_text(value, "/"), _ELSEWHERE),
    "timm_model_name": (lambda value: _any_text(value, ":") or _any_text(value, "/"), _ELSEWHERE),
}
"""Of each entry: when it is refused, and why."""


def require_no_command(model: str, config: object) -> None:
    """Raise `ModelError` where a configuration asks for code or for another model, at any depth; it names the entry.

    Parameters
    ----------
    model
        How the user named the model.
    config
        What the file of the configuration holds, as JSON is read.
    """
    for key, value in _entries(config):
        refused, why = _REFUSED.get(key, (None, ""))
        if refused is not None and refused(value):
            raise ModelError(
                f"The configuration of {model} has {key} = {quoted(value)}, {why}. Take the entry out if the model "
                f"works without it, or load the model in a factory of yours (python:FILE:FUNCTION) if you trust it."
            )


def require_own_shards(model: str, index: object, *, pickles: bool) -> None:
    """Raise `ModelError` where the index of a model's weights names a file that lies elsewhere, or a pickle.

    Parameters
    ----------
    model
        How the user named the model.
    index
        What ``model.safetensors.index.json`` holds, as JSON is read.
    pickles
        Whether pickles are trusted.
    """
    files = index.get("weight_map") if isinstance(index, dict) else None
    for file in dict.fromkeys(files.values() if isinstance(files, dict) else ()):
        named = str(file).replace("\\", "/")
        if named.startswith("/") or ":" in named or ".." in named.split("/"):
            why = "which lies elsewhere"
        elif not pickles and not named.endswith(".safetensors"):
            why = "which is not in safetensors and may be a pickle"
        else:
            continue
        raise ModelError(
            f"The index of the weights of {model} names {quoted(file)}, {why}. Save the model again: "
            f"model.save_pretrained(FOLDER)."
        )


def _entries(value: Any) -> Iterator[tuple[str, object]]:
    pairs = value.items() if isinstance(value, dict) else ()
    yield from pairs
    for item in [item for _, item in pairs] if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _entries(item)


@contextlib.contextmanager
def no_question() -> Iterator[None]:
    """Return a context in which transformers refuses code of a model's own at once, where its caller says nothing.

    It would ask on the terminal, in the midst of a run, whether to run it.
    """
    if importlib.util.find_spec("transformers") is None:
        yield
        return
    from transformers import dynamic_module_utils

    before = dynamic_module_utils.TIME_OUT_REMOTE_CODE
    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
    try:
        yield
    finally:
        dynamic_module_utils.TIME_OUT_REMOTE_CODE = before
