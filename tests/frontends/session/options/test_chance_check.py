"""``--robustness-chance-check``: what a model is that is no better than guessing on untouched images."""

from __future__ import annotations

import pytest

# Says up for down: right on none of the images, with and without a list of classes.
WRONG = """

class Wrong(torch.nn.Module):
    def forward(self, images):
        return -Slope()(images)


def unlisted():
    return Model(Wrong())


def listed():
    return Model(Wrong(), classes=["down", "up"])
"""


@pytest.mark.parametrize(
    ("model", "rule", "refused", "warned"),
    [
        ("unlisted", "error", True, False),
        ("unlisted", "warn", False, True),
        ("unlisted", "off", False, False),
        ("listed", "error", False, True),
        ("listed", "off", False, False),
    ],
)
def test_an_order_in_doubt_is_an_error_and_hard_data_a_warning(project, model, rule, refused, warned):
    project.path.joinpath("nets.py").write_text(project.path.joinpath("nets.py").read_text() + WRONG)
    result = project.judge(
        f"--robustness-models=python:nets.py:{model}", "-k", "hflip", f"--robustness-chance-check={rule}"
    )
    assert ("Class order?" in result.stdout.str()) == refused
    said = [text for text in project.results()["warnings"] if "no better than chance" in text]
    assert bool(said) == warned
    assert bool(project.results()["errors"]) == refused
