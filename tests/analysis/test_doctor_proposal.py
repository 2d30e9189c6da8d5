"""The command that a message proposes is the one to type."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from pytest_robustness.analysis.doctor_proposal import proposal
from pytest_robustness.frontends.command.main import cli

BEFORE = "To find out which setting is wrong, if one is: "
DATA = {"data": "folder:photos"}


@pytest.mark.parametrize(
    ("model", "options", "command"),
    [
        ("onnx:net.onnx", DATA, "pytest-robustness doctor onnx:net.onnx --data=folder:photos"),
        (
            "python:my nets.py:make",
            {"data": "folder:my photos", "store": ".robustness/store.sqlite"},
            "pytest-robustness doctor 'python:my nets.py:make' '--data=folder:my photos'",
        ),
        (
            "resnet18",
            {**DATA, "weights_dir": "weights", "trust_pickle": True, "store": "runs.sqlite"},
            (
                "pytest-robustness doctor resnet18 --data=folder:photos --weights-dir=weights --trust-pickle "
                "--store=runs.sqlite"
            ),
        ),
    ],
)
def test_the_command_has_what_the_run_had(model: str, options: dict[str, Any], command: str) -> None:
    assert proposal(model, options) == BEFORE + command
    _, name, *words = shlex.split(command)
    context = cli.commands[name].make_context(name, words)
    assert context.params["model"] == model
    assert context.params["data"] == options["data"]


@pytest.mark.parametrize(("options", "objects"), [(DATA, ("mine",)), ({"data": "data"}, ())])
def test_for_objects_the_call_is_proposed(options: dict[str, Any], objects: tuple[str, ...]) -> None:
    assert proposal("mine", options, objects) == f"{BEFORE}pytest_robustness.doctor(model, data)"


def test_without_data_nothing_is_proposed() -> None:
    assert proposal("mine", {}) == ""
