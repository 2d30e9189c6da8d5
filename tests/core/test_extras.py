"""The extras that messages name are those of pyproject.toml, with the same packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pytest_robustness.core.extras import EXTRAS, pip_install

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
# For those who work on this package.
_OURS = {"dev", "docs"}


def test_the_extras_are_those_of_pyproject():
    declared = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    names = {
        extra: tuple(re.match(r"[\w-]+", requirement)[0] for requirement in requirements)
        for extra, requirements in declared.items()
        if extra not in _OURS
    }
    assert dict(EXTRAS) == names


def test_an_extra_is_installed_by_its_packages():
    assert pip_install("openvino") == "pip install onnx openvino"
