"""What an actor gets of a cluster, and what is sent to a node by value."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.core.errors import OptionError, TransformError
from pytest_robustness.inference.sweep.executors import recipe
from pytest_robustness.inference.sweep.executors.ray_cluster import Share, share
from pytest_robustness.inference.sweep.executors.ray_versions import versions
from pytest_robustness.transforms import builtin

pytest.importorskip("ray", reason="needs the extra ray")


def nodes(*owned: tuple[float, float]):
    return [{"Resources": {"CPU": cores, "GPU": gpus} if gpus else {"CPU": cores}} for cores, gpus in owned]


@pytest.mark.parametrize(
    ("owned", "device", "expected"),
    [
        ([(2, 0)], "auto", Share(2, 0, 1)),
        ([(16, 0)], "auto", Share(4, 0, 4)),
        ([(7, 0), (9, 0)], "cpu", Share(4, 0, 3)),
        ([(0, 0), (1, 0), (1, 0)], "auto", Share(1, 0, 2)),
        ([(3, 0), (16, 0)], "auto", Share(3, 0, 6)),
        ([(16, 2), (8, 1)], "auto", Share(8, 1, 3)),
        ([(16, 2), (8, 0)], "cuda", Share(8, 1, 2)),
        ([(2, 4)], "cuda:1", Share(1, 1, 2)),
        ([(16, 2), (8, 1)], "cpu", Share(4, 0, 6)),
    ],
)
def test_every_actor_has_the_same_share_and_all_fit(owned, device, expected):
    assert share(nodes(*owned), device) == expected


@pytest.mark.parametrize(
    ("owned", "device", "text"),
    [
        ([(8, 0)], "cuda", "--robustness-device=cuda: no node of the cluster has a GPU that Ray knows of. Name cpu."),
        ([(0, 0)], "auto", "No node of the cluster has a core for --robustness-executor=ray: start one with num-cpus."),
    ],
)
def test_a_cluster_without_what_is_asked_for_is_refused(owned, device, text):
    with pytest.raises(OptionError) as refused:
        share(nodes(*owned), device)
    assert str(refused.value) == text


def test_versions_are_those_that_are_installed_without_their_build():
    found = versions(("numpy", "torch", "no-such-package"))
    assert found["numpy"] == metadata.version("numpy")
    assert metadata.version("torch").startswith(found["torch"])
    assert "+" not in found["torch"]
    assert found["no-such-package"] == ""


class Asked:
    """What `own_transforms` reads of a job."""

    def __init__(self, condition: Condition, transform: object) -> None:
        self.condition, self.transform = condition, transform


OWN = """
SHIFT = 3

def shifted(images):
    return images + SHIFT

def register(registry):
    registry.transform("shifted", version=1)(shifted)
"""
# A node that has the package and none of the user's modules.
NODE = """
import pickle, sys
transform = pickle.loads(sys.stdin.buffer.read())
print(int(transform.operations[0].function(4)))
"""


@pytest.mark.slow
def test_the_users_code_travels_and_what_is_built_in_does_not(tmp_path, monkeypatch):
    (tmp_path / "own_transforms_of_a_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    import own_transforms_of_a_test

    registry = builtin()
    own_transforms_of_a_test.register(registry)
    own, vflip = Condition("shifted"), Condition("vflip")
    chain = Condition("vflip+shifted")
    asked = [Asked(CONTROL, None), *(Asked(one, registry.get(one.transform)) for one in (own, vflip, chain))]
    sent = recipe.own_transforms(asked)
    assert [*sent] == [own, chain]
    done = subprocess.run([sys.executable, "-c", NODE], input=sent[own], capture_output=True, check=True, cwd="/")
    assert int(done.stdout) == 7


def test_a_transform_that_cannot_be_sent_is_named(tmp_path, monkeypatch):
    (tmp_path / "locked_of_a_test.py").write_text(
        "import threading\nLOCK = threading.Lock()\n\ndef locked(images):\n    with LOCK:\n        return images\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from locked_of_a_test import locked

    registry = builtin()
    registry.transform("locked", version=1)(locked)
    with pytest.raises(TransformError, match=r"^The transform locked cannot be sent to the nodes of a cluster: "):
        recipe.own_transforms([Asked(Condition("locked"), registry.get("locked"))])
