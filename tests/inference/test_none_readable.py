"""Data of which no image can be read: the error says how many were tried, and why the first cannot be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import torch

from pytest_robustness import Model, Preprocess, doctor, evaluate
from pytest_robustness.core.errors import RobustnessError
from tests.data.forms import FORMS, photos, web_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Net(torch.nn.Module):
    """Answers three classes by the mean of each colour."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


MODEL = Model(Net(), Preprocess(resize=4, crop=4))


def judged(spec: str, folder: Path) -> Any:
    return evaluate({"net": MODEL}, spec, "hflip", progress=False, store=folder / "runs.sqlite")


def examined(spec: str, folder: Path) -> Any:
    return doctor({"net": MODEL}, spec, progress=False, store=folder / "runs.sqlite")


@pytest.mark.parametrize("ask", [judged, examined])
def test_the_first_image_and_its_reason_are_named(tmp_path, ask: Callable[[str, Path], Any]):
    for name in ("cat/1.png", "cow/2.png", "dog/3.jpg"):
        path = tmp_path / "bad" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"no image")
    with pytest.raises(RobustnessError) as caught:
        ask(f"folder:{tmp_path}/bad", tmp_path)
    place = re.escape(f"{tmp_path}/bad")
    assert re.search(
        rf"^folder:{place} holds no readable image, of 3 that were tried\. The first: {place}/[a-z]+/\d\.\w+ is "
        rf"not a readable image: its content is in no image format that is read[^.]*\.$",
        str(caught.value),
    )


@pytest.mark.parametrize("ask", [judged, examined])
def test_a_server_that_serves_no_parts_is_the_reason(tmp_path, monkeypatch, ask: Callable[[str, Path], Any]):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache"))
    spec = FORMS["named shards"](tmp_path, photos(6))
    with web_server(tmp_path, ranges=False) as (url, _), pytest.raises(RobustnessError) as caught:
        ask(spec.replace(str(tmp_path), url), tmp_path)
    assert "holds no readable image, of 6 that were tried. The first: " in str(caught.value)
    assert str(caught.value).endswith(
        "the server answers no range requests, it sends whole files alone. Download the file and name it there, or use "
        "a server that answers range requests."
    )
