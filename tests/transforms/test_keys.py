from __future__ import annotations

import importlib.util
import linecache
from typing import TYPE_CHECKING, Any

import torch

from pytest_robustness.transforms import Registry, builtin
from tests.transforms.test_registry import registered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_built_in_keys_hold_name_level_draws_and_version() -> None:
    known = builtin()
    assert known.get("rotation").key(3) == "rotation(level=30, draws=1, version=1)"
    assert known.get("translate").key(1) == "translate(level=0.05, draws=2, version=1)"
    assert known.get("vflip").key(None) == "vflip(level=None, draws=0, version=1)"
    assert (
        known.get("equalize+rotation").key(5)
        == "equalize(level=None, draws=0, version=1) + rotation(level=90, draws=1, version=1)"
    )


def test_every_condition_has_its_own_key() -> None:
    known = builtin()
    names = (*known.names(), "equalize+vflip", "vflip+equalize", "rotation+zoom", "zoom+rotation")
    transforms = [known.get(name) for name in names]
    keys = [item.key(severity) for item in transforms for severity in item.severities or (None,)]
    assert len(set(keys)) == len(keys)


def test_the_key_tells_apart_levels_that_differ_in_the_last_bit() -> None:
    fog = registered(lambda images, level: images, levels=(0.3, 0.1 + 0.2))
    assert fog.key(1) != fog.key(2)


def test_an_explicit_version_stands_for_the_code() -> None:
    assert registered(lambda images: images, version=4).key(None) == "fog(level=None, draws=0, version=4)"


def test_what_is_set_after_the_registration_counts() -> None:
    def keys(*cuts: int, limit: int) -> list[str]:
        known, settings = Registry(), {}
        for number, cut in enumerate(cuts):

            def late(images: torch.Tensor) -> torch.Tensor:
                return images + cut * settings["limit"]  # noqa: B023 (as users write it)

            known.transform(f"t{number}")(late)
        settings["limit"] = limit
        return [known.get(f"t{number}").key(None).partition("(")[2] for number in range(len(cuts))]

    first, second = keys(190, 195, limit=1)
    assert first == second, "both run with the last value of the loop"
    assert len({first, keys(190, 250, limit=1)[0], keys(190, 195, limit=2)[0]}) == 3
    assert keys(190, 195, limit=1) == [first, second]


def load(path: Path, source: str) -> Callable[..., Any]:
    """Import ``fog`` from a file that holds ``source``, as a user's edited module would be on the next run."""
    path.write_text(source)
    linecache.checkcache(str(path))
    spec = importlib.util.spec_from_file_location("edited", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    exec(compile(source, path, "exec"), module.__dict__)
    return module.fog


def test_the_key_changes_when_the_source_is_edited(tmp_path: Path) -> None:
    path = tmp_path / "edited.py"
    source = "def fog(images):\n    return images + 1\n"
    first = registered(load(path, source)).key(None)
    edited = registered(load(path, source.replace("+ 1", "+ 2 * 1"))).key(None)
    moved = registered(load(path, "\n\nOTHER = 1\n\n" + source)).key(None)
    assert edited != first
    assert moved == first


def test_without_source_the_key_follows_the_bytecode() -> None:
    def key(body: str) -> str:
        names: dict[str, Any] = {}
        exec(f"def fog(images):\n    return {body}\n", names)
        return registered(names["fog"]).key(None)

    bodies = ("images + 1", "images + 2", "images - 1", "images.sin()", "images.cos()")
    inner = ("images.apply_(lambda value: value + 1)", "images.apply_(lambda value: value + 2)")
    keys = [key(body) for body in bodies + inner]
    assert len(set(keys)) == len(keys)
    assert keys == [key(body) for body in bodies + inner]


def test_an_object_that_is_called_counts_by_its_code_and_its_state() -> None:
    class Fog:
        def __init__(self, share: float) -> None:
            self.share = share

        def __call__(self, images: torch.Tensor) -> torch.Tensor:
            return (images * self.share).to(torch.uint8)

    class Mist(Fog):
        def __call__(self, images: torch.Tensor) -> torch.Tensor:
            return (images + self.share).to(torch.uint8)

    keys = [registered(made).key(None) for made in (Fog(0.5), Fog(0.25), Mist(0.5))]
    assert len(set(keys)) == 3
    assert registered(Fog(0.5)).key(None) == keys[0]
    assert registered(Fog(0.5), version=1).key(None) == "fog(level=None, draws=0, version=1)"
