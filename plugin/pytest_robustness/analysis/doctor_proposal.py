"""Propose the doctor for a model whose set-up is in doubt: the command to type, or the call from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_robustness.core.defaults import CLIP_TEMPLATES, STORE, UNNAMED_DATA
from pytest_robustness.core.text import pasted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def proposal(model: str, options: Mapping[str, Any], objects: Collection[str] = ()) -> str:
    """Return a sentence with the command line that examines ``model`` as a run had it.

    Parameters
    ----------
    model
        Its name in the run.
    options
        Those of the run, as provenance has them. Without data among them there is nothing to propose: the sentence is
        empty.
    objects
        Names of models that the run was given as objects, so that no command finds them.
    """
    data = options.get("data")
    if not data:
        return ""
    if model in objects or data == UNNAMED_DATA:
        call = "pytest_robustness.doctor(model, data)"
        return f"To find out which setting is wrong, if one is: {call}"
    return f"To find out which setting is wrong, if one is: {_command(model, data, options)}"


def _command(model: str, data: str, options: Mapping[str, Any]) -> str:
    words = ["pytest-robustness", "doctor", model, f"--data={data}"]
    if options.get("weights_dir"):
        words.append(f"--weights-dir={options['weights_dir']}")
    if options.get("trust_pickle"):
        words.append("--trust-pickle")
    if model.startswith("clip:") and options.get("clip_templates", CLIP_TEMPLATES) != CLIP_TEMPLATES:
        words.append(f"--clip-templates={options['clip_templates']}")
    if options.get("store", STORE) != STORE:
        words.append(f"--store={options['store']}")
    return " ".join(map(pasted, words))
