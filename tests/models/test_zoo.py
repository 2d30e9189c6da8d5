"""Names, the zoo, the python source and fingerprints. Weights files: test_weights.py; other sources have their own."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pytest_robustness.core import Model, Preprocess
from pytest_robustness.core.errors import ModelError, OptionError
from pytest_robustness.models import PRESETS, ModelName, ModelZoo, parse
from pytest_robustness.models.fingerprint import fingerprint
from pytest_robustness.models.objects import as_model, kind_of

DESIGNED_TWELVE = (
    *("alexnet", "squeezenet1_0", "squeezenet1_1", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
    *("mobilenet_v2", "resnet18", "resnet34", "resnet50", "resnet101"),
)

FORMS = ("python:package.module:factory", "python:path/to/file.py:factory")

FACTORY = """
import torch
from pytest_robustness.core import Model, Preprocess

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2, dtype=torch.float64)
        torch.nn.init.constant_(self.linear.weight, 0.5)
        torch.nn.init.zeros_(self.linear.bias)
        self.dropout = torch.nn.Dropout()

    def forward(self, x):
        return self.dropout(self.linear(x.mean((2, 3))))

def bare():
    return Net()

def full():
    return Model(Net(), Preprocess(resize=40, crop=32), ("cat", "dog"))

def number():
    return 3

def broken():
    raise RuntimeError("no such layer")

not_callable = 5
"""


@pytest.fixture
def zoo() -> ModelZoo:
    return ModelZoo()


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the file with the factories, relative to the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(FACTORY)
    return "nets.py"


# names


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("resnet18", ("torchvision", "resnet18", None)),
        (" resnet18 ", ("torchvision", "resnet18", None)),
        ("torchvision:resnet50@IMAGENET1K_V2", ("torchvision", "resnet50", "IMAGENET1K_V2")),
        ("digits:vgg16", ("digits", "vgg16", None)),
        ("python:package.module:make", ("python", "package.module:make", None)),
        ("python:C:\\nets\\tiny.py:make", ("python", "C:\\nets\\tiny.py:make", None)),
        ("python:me@home/tiny.py:make", ("python", "me@home/tiny.py:make", None)),
    ],
)
def test_a_name_is_split_into_its_parts(spec: str, parts: tuple[str, str, str | None]) -> None:
    assert parse(spec) == parts


_WORDS = st.from_regex(r"[A-Za-z0-9_]+", fullmatch=True)


@settings(deadline=None)
@given(st.sampled_from(["torchvision", "digits", "python"]), _WORDS, st.none() | _WORDS)
def test_a_canonical_name_parses_to_itself(source: str, name: str, weights: str | None) -> None:
    model = ModelName(source, name, weights)
    assert parse(str(model)) == model


def test_an_unknown_source_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError) as raised:
        parse("tmodels:resnet18")
    assert str(raised.value) == (
        "'tmodels' is not a model source. Known: clip, digits, hf, onnx, openvino, python, timm, torchvision. "
        "A model is named [source:]name[@weights]."
    )


@pytest.mark.parametrize("spec", ["", "digits:", "resnet18@", "@IMAGENET1K_V1"])
def test_an_empty_part_is_refused(spec: str) -> None:
    with pytest.raises(OptionError) as raised:
        parse(spec)
    assert str(raised.value) == f"{spec!r} does not name a model. A model is named [source:]name[@weights]."


# the zoo


def test_the_presets_are_the_twelve_of_the_design(zoo: ModelZoo) -> None:
    assert zoo.expand(["imagenet12"]) == DESIGNED_TWELVE
    assert zoo.expand(["digits12"]) == tuple(f"digits:{name}" for name in DESIGNED_TWELVE)


def test_expanding_keeps_order_and_drops_repeated_names(zoo: ModelZoo) -> None:
    specs = ["resnet18", "torchvision:vgg16", "digits:vgg16", "vgg16", "resnet50@IMAGENET1K_V2", "resnet18"]
    assert zoo.expand(specs) == ("resnet18", "vgg16", "digits:vgg16", "resnet50@IMAGENET1K_V2")


def test_expanding_again_changes_nothing(zoo: ModelZoo) -> None:
    once = zoo.expand([*PRESETS, "efficientnet_b0@DEFAULT"])
    assert zoo.expand(once) == once


def test_an_unknown_torchvision_model_is_refused_with_the_known_ones(zoo: ModelZoo) -> None:
    with pytest.raises(OptionError) as raised:
        zoo.expand(["resnet18", "resnet19"])
    known = ", ".join(torchvision.models.list_models(module=torchvision.models))
    assert str(raised.value) == (
        f"'resnet19' is not a torchvision model. Did you mean 'resnet18'? Known: {known}. "
        f"Presets: digits12, imagenet12."
    )


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "fcn_resnet50", "r3d_18", "raft_small"])
def test_torchvision_models_that_classify_no_images_are_refused(zoo: ModelZoo, name: str) -> None:
    with pytest.raises(OptionError, match=f"^'{name}' is not a torchvision model"):
        zoo.expand([name])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet50@V9", "'V9' is not a set of resnet50 weights. Known: DEFAULT, IMAGENET1K_V1, IMAGENET1K_V2."),
        (
            "digits:lenet",
            f"'lenet' is not a digits model. Did you mean 'alexnet'? Known: {', '.join(sorted(DESIGNED_TWELVE))}.",
        ),
        ("digits:resnet18@V1", "'digits:resnet18' has one set of weights; leave '@V1' out."),
        (
            "python:nets.py",
            f"'python:nets.py' does not name a factory. Write {' or '.join(FORMS)}.",
        ),
    ],
)
def test_a_wrong_name_is_refused_by_its_source(zoo: ModelZoo, spec: str, message: str) -> None:
    for refuse in (lambda: zoo.expand([spec]), lambda: zoo.load(spec)):
        with pytest.raises(OptionError) as raised:
            refuse()
        assert str(raised.value) == message


def test_every_known_name_of_a_listed_source_is_accepted(zoo: ModelZoo) -> None:
    known = zoo.known()
    assert list(known) == ["presets", "torchvision", "timm", "hf", "clip", "digits", "python", "onnx", "openvino"]
    for source in ("torchvision", "digits"):
        assert len(zoo.expand([f"{source}:{name}" for name in known[source]])) == len(known[source]) >= 12
    zoo.expand(known["presets"])


def test_naming_and_expanding_the_presets_imports_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys; from pytest_robustness.models import ModelZoo; ModelZoo().expand(['imagenet12', 'digits12']); "
        "print([name for name in ('torch', 'torchvision', 'sklearn') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# the python source


def test_a_bare_module_gets_images_as_the_data_has_them_and_is_made_ready(zoo: ModelZoo, nets: str) -> None:
    model = zoo.load(f"python:{nets}:bare")
    assert model.preprocess == Preprocess()
    assert model.classes is None
    assert not any(part.training for part in model.module.modules())
    assert {tensor.dtype for tensor in model.module.state_dict().values()} == {torch.float32}
    assert len(model.fingerprint) == 64
    torch.testing.assert_close(model.module(torch.ones(4, 3, 5, 5)), torch.full((4, 2), 1.5))


def test_a_model_keeps_its_preprocess_and_classes(zoo: ModelZoo, nets: str) -> None:
    model = zoo.load(f"python:{nets}:full")
    assert model.preprocess == Preprocess(resize=40, crop=32)
    assert model.classes == ("cat", "dog")


def test_a_factory_is_found_by_its_module_from_the_current_directory(zoo: ModelZoo, nets: str, tmp_path: Path) -> None:
    (tmp_path / "robustness_sample_package").mkdir()
    (tmp_path / "robustness_sample_package" / "nets.py").write_text(FACTORY)
    before = list(sys.path)
    model = zoo.load("python:robustness_sample_package.nets:full")
    assert sys.path == before
    assert model.classes == ("cat", "dog")


def test_a_file_is_imported_once_and_stays_importable(zoo: ModelZoo, nets: str) -> None:
    first, second = (type(zoo.load(f"python:{nets}:{factory}").module) for factory in ("bare", "full"))
    assert first is second
    assert sys.modules[first.__module__].Net is first


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (
            "fulll",
            (
                "'fulll' is not a function of nets.py. Did you mean 'full'? Known: Model, Net, Preprocess, bare, "
                "broken, full, number."
            ),
        ),
        ("not_callable", "'not_callable' in nets.py is not a function but a value of type int."),
        (
            "number",
            (
                "The factory nets.py:number returned a value of type int. Return a pytest_robustness.Model or a "
                "torch.nn.Module."
            ),
        ),
        ("broken", "The model 'python:nets.py:broken' could not be loaded: RuntimeError: no such layer (nets.py:26)"),
    ],
)
def test_a_factory_that_gives_no_model_is_an_error_that_says_why(
    zoo: ModelZoo, nets: str, factory: str, message: str
) -> None:
    with pytest.raises(ModelError) as raised:
        zoo.load(f"python:{nets}:{factory}")
    assert str(raised.value) == message


def test_a_missing_file_is_refused_before_anything_runs(zoo: ModelZoo, nets: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as raised:
        zoo.expand(["python:gone.py:make"])
    assert str(raised.value) == f"'python:gone.py:make' names the file gone.py, which is not there (from {tmp_path})."


def test_a_missing_module_is_told_from_one_that_its_code_misses(zoo: ModelZoo, nets: str, tmp_path: Path) -> None:
    (tmp_path / "robustness_sample_needy.py").write_text("import robustness_no_such_dependency\n")
    with pytest.raises(ModelError) as raised:
        zoo.load("python:robustness_no_such_package.nets:make")
    assert str(raised.value) == (
        "There is no module 'robustness_no_such_package'. Install it, or run from the directory that holds it."
    )
    with pytest.raises(ModelError) as raised:
        zoo.load("python:robustness_sample_needy:make")
    assert str(raised.value) == (
        "The model 'python:robustness_sample_needy:make' could not be loaded: "
        "ModuleNotFoundError: No module named 'robustness_no_such_dependency' (robustness_sample_needy.py:1)"
    )


def test_a_file_that_fails_to_import_is_tried_anew(zoo: ModelZoo, nets: str, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("raise ValueError('not yet')")
    with pytest.raises(ModelError, match=r"ValueError: not yet \(late\.py:1\)$"):
        zoo.load("python:late.py:bare")
    (tmp_path / "late.py").write_text(f"# longer than before, whatever the clock says\n{FACTORY}")
    assert zoo.load("python:late.py:bare").classes is None


def test_the_file_of_the_factory_is_part_of_the_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zoo: ModelZoo
) -> None:
    monkeypatch.chdir(tmp_path)
    prints = []
    for name, last_line in (("one", ""), ("same", ""), ("other", "SCALE = 2\n")):
        (tmp_path / f"{name}.py").write_text(FACTORY + last_line)
        prints.append(zoo.load(f"python:{name}.py:bare").fingerprint)
    assert prints[0] == prints[1] != prints[2]


# fingerprints


class _Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(6.0).reshape(2, 3))
        self.register_buffer("scale", torch.ones(()), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)) @ self.weight.T * self.scale


_Plain = _Scaled


def _twin() -> nn.Module:
    class _Scaled(_Plain):  # By name and weights the same.
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.amax((2, 3)) @ self.weight.T * self.scale

    return _Scaled()


def test_equal_models_have_equal_fingerprints() -> None:
    assert fingerprint(Model(_Scaled())) == fingerprint(Model(copy.deepcopy(_Scaled())))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 5), st.floats(width=32, allow_nan=False))
def test_any_changed_weight_changes_the_fingerprint(position: int, value: float) -> None:
    module = _Scaled()
    before = fingerprint(Model(module))
    old = module.weight.detach().view(-1)[position].clone()
    module.weight.data.view(-1)[position] = value
    same_bits = torch.equal(old.view(torch.int32), module.weight.detach().view(-1)[position].view(torch.int32))
    assert (fingerprint(Model(module)) == before) == same_bits


def test_whatever_the_outputs_depend_on_changes_the_fingerprint() -> None:
    buffered, cast, reshaped, shared = _Scaled(), _Scaled().bfloat16(), _Scaled(), nn.Sequential(_Scaled())
    buffered.scale.fill_(2)
    reshaped.weight.data = reshaped.weight.data.reshape(3, 2)
    models = {
        "plain": Model(_Scaled()),
        "buffer outside the state dict": Model(buffered),
        "dtype": Model(cast),
        "shape": Model(reshaped),
        "structure": Model(shared),
        "forward": Model(_twin()),
        "preprocess": Model(_Scaled(), Preprocess(mean=(0.5, 0.5, 0.5))),
        "classes": Model(_Scaled(), classes=("a", "b")),
        "order of classes": Model(_Scaled(), classes=("b", "a")),
    }
    assert str(models["forward"].module) == str(models["plain"].module)
    assert len({fingerprint(model) for model in models.values()} | {fingerprint(models["plain"], b"x")}) == 10


class _Held(nn.Module):
    def __init__(self, **held: object) -> None:
        super().__init__()
        vars(self).update(held)
        self.friend = object()  # no value: nothing that an output could be told to depend on

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def test_what_modules_hold_as_plain_attributes_changes_the_fingerprint() -> None:
    circle: list[object] = [1]
    circle.append(circle)
    held: list[dict[str, object]] = [
        {},
        {"heads": 2},
        {"heads": 4},
        {"head": 4},
        {"heads": "4"},
        {"mean": torch.tensor([0.5])},
        {"mean": torch.tensor([0.25])},
        {"mean": np.array([0.5])},
        {"mean": np.float64(0.5)},
        {"sizes": [1, 2]},
        {"sizes": [[1], 2]},
        {"sizes": (1, 2)},
        {"sizes": {1: 2}},
        {"sizes": {1, 2}},
        {"sizes": circle},
    ]
    found = [fingerprint(Model(nn.Sequential(_Held(**attributes)))) for attributes in held]
    assert len(set(found)) == len(held)
    assert found == [fingerprint(Model(nn.Sequential(_Held(**attributes)))) for attributes in held]


class _Flipped(nn.Module):
    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.layer = nn.Linear(4, 2)
        nn.init.ones_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.flip(self.axis)[:, 0, 0])


def _traced(axis: int, folder: Path) -> nn.Module:
    file = folder / f"{axis}.pt"
    if not file.exists():
        torch.jit.save(torch.jit.trace(_Flipped(axis), torch.zeros(1, 3, 4, 4)), file)
    return torch.jit.load(file)


def _exported(axis: int, folder: Path) -> nn.Module:
    return torch.export.export(_Flipped(axis), (torch.zeros(1, 3, 4, 4),)).module()


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("made", [_traced, _exported])
def test_the_program_of_a_module_without_source_is_part_of_its_fingerprint(made, tmp_path: Path) -> None:
    first, again, other = (made(axis, tmp_path) for axis in (2, 2, 3))
    assert fingerprint(Model(nn.Sequential(first))) == fingerprint(Model(nn.Sequential(again)))
    assert fingerprint(Model(nn.Sequential(first))) != fingerprint(Model(nn.Sequential(other)))


def test_an_exported_graph_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(
        "import torch\n\ndef exported():\n    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2))\n"
        "    return torch.export.export(net, (torch.zeros(1, 3, 4, 4),)).module()\n"
    )
    model = ModelZoo().load("python:nets.py:exported")
    assert model.module(torch.zeros(1, 3, 4, 4)).shape == (1, 2)


@pytest.mark.parametrize("made", [lambda program: program, Model], ids=["bare", "in a Model"])
def test_of_an_exported_program_its_module_is_asked_for(made) -> None:
    program = torch.export.export(_Flipped(2), (torch.zeros(1, 3, 4, 4),))
    assert as_model(made(program)) is None
    assert "a value of type ExportedProgram (its module() is one)" in kind_of(made(program))


@pytest.mark.parametrize("made", ["net", "Model(net)", "torch.nn.Sequential(torch.nn.Flatten(), net)"])
@pytest.mark.parametrize("given", [False, True])
def test_a_weight_without_a_value_is_refused_by_name(made: str, given: bool, tmp_path, monkeypatch) -> None:
    """It is said before the weights are moved to the CPU, which a weight on the meta device cannot be."""
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(
        "import torch\nfrom pytest_robustness import Model\n\ndef bare():\n"
        f"    net = torch.nn.Linear(2, 2).to('meta')\n    return {made}\n"
    )
    zoo, name = ModelZoo(), "python:nets.py:bare"
    if given:
        zoo, name = ModelZoo(given={"mine": Model(nn.Linear(2, 2).to("meta"))}), "mine"
    with pytest.raises(ModelError, match=rf"^{name}: the weight (1\.)?weight is on the meta device.*to_empty"):
        zoo.load(name)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Model(_Scaled(), classes=["a", 1]), "classes must be names or WordNet ids, as texts; got 1. Write "),  # type: ignore[list-item]
        (lambda: Model(_Scaled(), classes="a,b"), "classes must be a list of names, one for each output; got the text"),
        (lambda: Model(_Scaled(), {"resize": 8}), "preprocess must be a Preprocess(resize=..., crop=...); got {"),  # type: ignore[arg-type]
    ],
)
def test_a_model_of_wrong_types_is_refused_when_it_is_made(made, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        made()
    assert str(caught.value).startswith(message)


def test_sizes_are_whole_numbers_of_any_kind() -> None:
    assert repr(Preprocess(resize=np.int64(8))) == repr(Preprocess(resize=8))
    with pytest.raises(ValueError, match="resize must be a whole number of pixels; got 8"):
        Preprocess(resize=8.0)  # type: ignore[arg-type]


def test_a_factory_that_ends_the_process_is_a_model_that_cannot_be_loaded(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text("import sys\n\ndef leaving():\n    sys.exit('no weights')\n")
    with pytest.raises(ModelError, match="could not be loaded: SystemExit: no weights"):
        ModelZoo().load("python:nets.py:leaving")


def test_a_state_that_is_no_tensor_counts_too() -> None:
    class Extra(nn.Module):
        def __init__(self, zero_point: int) -> None:
            super().__init__()
            self.zero_point = zero_point

        def get_extra_state(self) -> object:
            return {"zero_point": self.zero_point}

        def set_extra_state(self, state: object) -> None:
            raise NotImplementedError

    assert fingerprint(Model(Extra(1))) == fingerprint(Model(Extra(1))) != fingerprint(Model(Extra(2)))
