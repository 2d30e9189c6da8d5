"""What is remembered of a model counts only for the weights that would be read now."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pytest_robustness.core import ClassLabel, Selection
from pytest_robustness.core.errors import ModelError
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.loading.model_loading import open_model
from pytest_robustness.inference.remembered import Remembered
from pytest_robustness.inference.store.store import Store
from pytest_robustness.inference.user_calls.calls import UserCalls
from pytest_robustness.models import ModelZoo
from pytest_robustness.models.weights import WeightsPolicy
from tests.identities import identified

NAME = "test_resnet.r160_in1k"

SOURCE = ArraySource("photos", [ClassLabel("a", "a")], np.zeros(1, np.int64), np.zeros((1, 3, 2, 2), np.uint8))
SELECTION = Selection(SOURCE, np.arange(1), SOURCE.labels, identified(range(1)))


def state_of(seed: int) -> dict[str, torch.Tensor]:
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    torch.manual_seed(seed)
    return timm.create_model(NAME, pretrained=False).state_dict()


def put_pth(folder: Path, seed: int) -> None:
    folder.mkdir(exist_ok=True)
    torch.save(state_of(seed), folder / f"{NAME}.pth")


def put_safetensors(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state_of(seed), path)


def replace_folder(folder: Path) -> None:
    folder.rename("before")
    put_pth(folder, 1)


def relink(link: Path) -> None:
    link.rename("real")
    put_pth(Path("other"), 1)
    link.symlink_to(Path("other").absolute(), target_is_directory=True)


# What happens to the folder A with weights of seed 0, and the folder that the next run names.
CHANGES = {
    "nothing": (lambda: None, "A"),
    "another way to write the folder": (lambda: None, "A/../A"),
    "another folder": (lambda: put_pth(Path("B"), 1), "B"),
    "an empty folder": (lambda: Path("B").mkdir(), "B"),
    "an older folder in its place": (lambda: replace_folder(Path("A")), "A"),
    "a link to another folder": (lambda: relink(Path("A")), "A"),
    "a file that comes first": (lambda: put_safetensors(Path(f"A/{NAME}.safetensors"), 1), "A"),
    "a file that comes last": (lambda: put_safetensors(Path(f"A/{NAME}/model.safetensors"), 1), "A"),
    "a file in its place": (lambda: put_pth(Path("A"), 1), "A"),
    "no file any more": (lambda: Path(f"A/{NAME}.pth").unlink(), "A"),
    "the file under another name": (
        lambda: shutil.move(f"A/{NAME}.pth", "A/aside.pth") and put_safetensors(Path(f"A/{NAME}/model.safetensors"), 1),
        "A",
    ),
}
UNCHANGED = {"nothing", "another way to write the folder"}


def loaded(zoo: ModelZoo):
    opened = open_model(f"timm:{NAME}", zoo, UserCalls(print))
    return ModelFacts(opened.model.fingerprint, "name", (0,), opened.model.preprocess), opened.files


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_is_known_without_being_loaded_only_where_it_would_be_the_same(tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    put_pth(Path("A"), 0)
    store = Store(tmp_path / "store.sqlite")
    zoo = ModelZoo(Path("A"))
    facts, files = loaded(zoo)
    Remembered(store, zoo).put_model("net", SELECTION, facts, files)

    happens, folder = CHANGES[change]
    happens()
    now = ModelZoo(Path(folder))
    known = Remembered(store, now).model("net", SELECTION)
    try:
        truth = loaded(now)[0].fingerprint
    except ModelError:
        truth = None
    assert known is None or known.fingerprint == truth
    assert (known is not None) == (change in UNCHANGED)
    store.close()


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"])
def test_weights_of_a_moved_cache_are_of_another_place(tmp_path, monkeypatch, variable):
    before = WeightsPolicy().place
    monkeypatch.setenv(variable, str(tmp_path))
    assert WeightsPolicy().place != before
    assert WeightsPolicy(tmp_path).place == WeightsPolicy(tmp_path / "x" / "..").place


def test_a_cache_that_code_chose_is_another_place(tmp_path):
    before, chosen = WeightsPolicy().place, torch.hub._hub_dir
    try:
        torch.hub.set_dir(str(tmp_path))
        assert WeightsPolicy().place != before
        (cached,) = ModelZoo().weights_files("alexnet")
        assert cached.parent == tmp_path / "checkpoints"
    finally:
        torch.hub._hub_dir = chosen


def test_the_hub_decides_what_weights_a_model_of_timm_has_without_a_folder():
    assert ModelZoo().weights_files(f"timm:{NAME}") == ()


@pytest.mark.parametrize("spec", ["alexnet", "resnet50@IMAGENET1K_V2"])
def test_both_names_of_a_weights_file_of_torchvision_are_looked_for(tmp_path, spec):
    names = [path.suffix for path in ModelZoo(tmp_path).weights_files(spec)]
    assert names == [".pth", ".safetensors"]


CPU = (
    "processor\t: 0\nmodel name\t: AMD EPYC 9\nflags\t\t: fpu avx512_bf16\ncpu MHz\t\t: %d\n\n"
    "processor\t: 1\nmodel name\t: another\nflags\t\t: fpu\n"
)
GPU = {"driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA A100\nIRQ: \t\t %d\n"}
MACHINES = {
    "the same": ({"cpuinfo": CPU % 1, **{name: text % 1 for name, text in GPU.items()}}, True),
    "the same at another moment": ({"cpuinfo": CPU % 2, **{name: text % 2 for name, text in GPU.items()}}, True),
    "one without bf16": ({"cpuinfo": CPU.replace(" avx512_bf16", "") % 1, **GPU}, False),
    "another processor": ({"cpuinfo": CPU.replace("EPYC", "Ryzen") % 1, **GPU}, False),
    "another GPU in the same place": (
        {"cpuinfo": CPU % 1, **{name: text.replace("A100", "T4") for name, text in GPU.items()}},
        False,
    ),
    "no GPU": ({"cpuinfo": CPU % 1}, False),
}


@pytest.mark.parametrize("now", MACHINES)
def test_a_store_that_is_copied_to_another_machine_does_not_say_what_that_computes_in(tmp_path, monkeypatch, now):
    def on(name: str) -> Remembered:
        folder = tmp_path / name
        for file, text in MACHINES[name][0].items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
        monkeypatch.setattr("pytest_robustness.inference.remembered._PROC", folder)
        return Remembered(store, ModelZoo(None))

    store, options = Store(tmp_path / "store.sqlite"), ("auto", "auto", "auto", 0)
    on("the same").put_machine(options, "cuda:0", "bf16")
    assert on(now).machine(options) == (("cuda:0", "bf16") if MACHINES[now][1] else None)
