"""Classifiers of transformers: their own image processor and model give what ours give, image by image."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from pytest_robustness import evaluate
from pytest_robustness.core.errors import ModelError, OptionError, WeightsError
from pytest_robustness.inference.loading.first_answers import first_answers
from pytest_robustness.inference.preprocess import to_canvas, to_inputs
from pytest_robustness.models import ModelZoo
from pytest_robustness.models.hf_processor import preprocess_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness.core import Preprocess

transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")

CLASSES = ("cat", "dog", "eel")
LABELS = dict(enumerate(CLASSES))
SIDE = 32
# Sides that leave the crops an even number of pixels: see `preprocess_of` for the others.
SHAPES = ((64, 64), (64, 96), (128, 64), (40, 40), (160, 80))
# In units of normalized values, which are at most some units large; the resize itself is torchvision's in both.
ROUNDING = 1e-4


def photograph(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Return noise with large and small patches: uint8 [3, height, width]."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(3, height // 8, width // 8, generator=draw).repeat_interleave(8, 1).repeat_interleave(8, 2)
    return ((coarse + 0.3 * torch.rand(3, height, width, generator=draw)) / 1.3 * 255).to(torch.uint8)


def given(processor: Any, image: torch.Tensor) -> torch.Tensor:
    """Return what an image processor makes of an image: [1, 3, h, w]."""
    shown = Image.fromarray(image.permute(1, 2, 0).numpy())
    return torch.as_tensor(processor(images=[shown], return_tensors="pt")["pixel_values"])


def ours(preprocess: Preprocess, image: torch.Tensor) -> torch.Tensor:
    """Return what the sweep gives a model: [1, 3, h, w]."""
    return to_inputs(to_canvas(image, preprocess.canvas)[None], preprocess)


def vit() -> tuple[Any, Any]:
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=SIDE, patch_size=8
    )
    return config, transformers.ViTImageProcessor(size={"height": SIDE, "width": SIDE})


def resnet() -> tuple[Any, Any]:
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    return config, transformers.ConvNextImageProcessor(size={"shortest_edge": SIDE}, crop_pct=0.8, resample=2)


def convnext() -> tuple[Any, Any]:
    config = transformers.ConvNextConfig(hidden_sizes=[8, 16, 16, 32], depths=[1, 1, 1, 1])
    return config, transformers.ConvNextImageProcessor(size={"shortest_edge": SIDE})


def mobilenet() -> tuple[Any, Any]:
    config = transformers.MobileNetV2Config(depth_multiplier=0.25, image_size=SIDE)
    crop = {"height": SIDE, "width": SIDE}
    return config, transformers.MobileNetV2ImageProcessor(size={"shortest_edge": 40}, crop_size=crop)


ARCHITECTURES = {"vit": vit, "resnet": resnet, "convnext": convnext, "mobilenet": mobilenet}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small models with weights by chance, as ``save_pretrained`` writes them."""
    found = {}
    for name, make in ARCHITECTURES.items():
        torch.manual_seed(3)
        config, processor = make()
        config.num_labels = len(CLASSES)
        config.id2label, config.label2id = LABELS, {text: number for number, text in LABELS.items()}
        net = transformers.AutoModelForImageClassification.from_config(config).eval()
        with torch.no_grad():
            for weight in net.parameters():
                weight.add_(0.05 * torch.randn_like(weight))  # else the classes of a ViT are all but equal
        found[name] = tmp_path_factory.mktemp(name)
        net.save_pretrained(found[name])
        processor.save_pretrained(found[name])
    return found


@torch.no_grad()
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_and_answers_are_those_of_transformers(folders: dict[str, Path], name: str) -> None:
    model = ModelZoo().load(f"hf:{folders[name]}")
    processor = transformers.AutoImageProcessor.from_pretrained(folders[name])
    net = transformers.AutoModelForImageClassification.from_pretrained(folders[name]).eval()
    assert model.classes == CLASSES
    assert (model.assumed, model.unhashed, model.runtime) == ((), (), "")
    module = first_answers(name, model, to_canvas(photograph(64, 64), model.preprocess.canvas)).model.module
    for seed, shape in enumerate(SHAPES):
        image = photograph(*shape, seed)
        expected = given(processor, image)
        assert (ours(model.preprocess, image) - expected).abs().max() < ROUNDING
        logits, wanted = module(ours(model.preprocess, image)), net(expected).logits
        assert torch.allclose(logits, wanted, atol=1e-4)
        assert logits.argmax() == wanted.argmax()


PROCESSORS = {
    "squash": ("ViTImageProcessor", {"size": {"height": 48, "width": 48}, "resample": 3}),
    "squash, then crop": ("DeiTImageProcessor", {"size": {"height": 40, "width": 40}, "crop_size": 32}),
    "bilinear, 0.5": ("SiglipImageProcessor", {"size": {"height": 32, "width": 32}, "resample": 2}),
    "shorter side": ("CLIPImageProcessor", {"size": {"shortest_edge": 32}, "crop_size": 32}),
    "Pillow's nearest pixel": ("CLIPImageProcessor", {"size": {"shortest_edge": 32}, "crop_size": 32, "resample": 0}),
    "Bit": ("BitImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": 32}),
    "crop_pct below 384": ("ConvNextImageProcessor", {"size": {"shortest_edge": 32}, "crop_pct": 0.5}),
    "whole image from 384": ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
    "crop_pct of PoolFormer": (
        "PoolFormerImageProcessor",
        {"size": {"shortest_edge": 32}, "crop_pct": 0.8, "crop_size": 32},
    ),
    "256 of 224": ("LevitImageProcessor", {"size": {"shortest_edge": 28}, "crop_size": 28}),
    "BGR": ("MobileViTImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": 32}),
    "RGB": (
        "MobileViTImageProcessor",
        {"size": {"shortest_edge": 40}, "crop_size": 32, "do_flip_channel_order": False},
    ),
    "normalized twice": ("EfficientNetImageProcessor", {"size": {"height": 32, "width": 32}}),
    "with an offset": (
        "EfficientNetImageProcessor",
        {
            "size": {"height": 32, "width": 32},
            "rescale_offset": True,
            "rescale_factor": 1 / 127.5,
            "include_top": False,
        },
    ),
    "not normalized": ("ViTImageProcessor", {"size": {"height": 32, "width": 32}, "do_normalize": False}),
    "from 0 to 255": (
        "ViTImageProcessor",
        {
            "size": {"height": 32, "width": 32},
            "do_rescale": False,
            "image_mean": [127.0, 120.0, 110.0],
            "image_std": [60] * 3,
        },
    ),
    "neither": ("ViTImageProcessor", {"size": {"height": 32, "width": 32}, "do_rescale": False, "do_normalize": False}),
    "another scale": ("ViTImageProcessor", {"size": {"height": 32, "width": 32}, "rescale_factor": 1 / 128}),
    "crop alone": ("CLIPImageProcessor", {"do_resize": False, "crop_size": 32}),
    "by Pillow": ("ViTImageProcessorPil", {"size": {"height": 48, "width": 48}}),
}


@pytest.mark.parametrize("kind", PROCESSORS)
def test_a_processor_is_read_to_the_pixel(kind: str) -> None:
    name, settings = PROCESSORS[kind]
    processor = getattr(transformers, name)(**settings)
    preprocess = preprocess_of("net", processor)
    assert preprocess.assumed == ()
    # Pillow's resize rounds some pixels otherwise: one of 255, in units of normalized values.
    tolerance = 1.01 / 255 / min(preprocess.std) if name.endswith("Pil") else ROUNDING * max(1, 1 / min(preprocess.std))
    for seed, shape in enumerate(SHAPES):
        image = photograph(*shape, seed)
        assert (ours(preprocess, image) - given(processor, image)).abs().max() <= tolerance


@pytest.mark.parametrize(
    ("name", "settings", "what"),
    [
        ("ViTImageProcessor", {"size": {"height": 32, "width": 48}}, "which is no square"),
        ("CLIPImageProcessor", {"size": {"shortest_edge": 32}, "do_center_crop": False}, "inputs are no squares"),
        (
            "CLIPImageProcessor",
            {"size": {"shortest_edge": 32}, "crop_size": 40},
            "pads images of 32 pixels to a crop of 40",
        ),
        ("ViTImageProcessor", {"size": {"height": 32, "width": 32}, "resample": 1}, "Pillow's filter number 1"),
        ("ViTImageProcessor", {"size": {"longest_edge": 32, "shortest_edge": 16}}, "no square"),
    ],
)
def test_what_a_preprocess_cannot_say_is_refused(name: str, settings: dict[str, Any], what: str) -> None:
    with pytest.raises(ModelError, match=f"^hf:net: its image processor, {name}, .*{what}") as raised:
        preprocess_of("net", getattr(transformers, name)(**settings))
    assert "python:FILE:FUNCTION" in str(raised.value)


def test_a_processor_that_does_more_than_its_settings_say_is_refused() -> None:
    class Sharpened(transformers.ViTImageProcessor):
        def normalize(self, image: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            return super().normalize(image, *args, **kwargs) * 1.2

    with pytest.raises(ModelError, match=r"gives pixels that are up to \d+ of 255 away from what its settings say"):
        preprocess_of("net", Sharpened(size={"height": 32, "width": 32}))


def test_the_fingerprint_is_of_content_and_not_of_the_place(folders: dict[str, Path], tmp_path: Path) -> None:
    first = ModelZoo().load(f"hf:{folders['resnet']}").fingerprint
    shutil.copytree(folders["resnet"], tmp_path / "moved")
    assert ModelZoo().load(f"hf:{tmp_path / 'moved'}").fingerprint == first
    net = transformers.AutoModelForImageClassification.from_pretrained(tmp_path / "moved")
    with torch.no_grad():
        net.classifier[1].bias.add_(0.5)
    net.save_pretrained(tmp_path / "moved")
    changed = ModelZoo().load(f"hf:{tmp_path / 'moved'}").fingerprint
    path = folders["resnet"] / "preprocessor_config.json"
    settings = json.loads(path.read_text()) | {"image_mean": [0.1, 0.2, 0.3]}
    shutil.copytree(folders["resnet"], tmp_path / "other mean")
    (tmp_path / "other mean/preprocessor_config.json").write_text(json.dumps(settings))
    assert len({first, changed, ModelZoo().load(f"hf:{tmp_path / 'other mean'}").fingerprint}) == 3


def test_labels_that_transformers_gives_by_itself_name_nothing(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["resnet"], tmp_path / "net")
    path = tmp_path / "net/config.json"
    config = json.loads(path.read_text()) | {"id2label": {str(n): f"LABEL_{n}" for n in range(3)}}
    path.write_text(json.dumps(config))
    assert ModelZoo().load(f"hf:{tmp_path / 'net'}").classes is None


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((0, 1, 2), ("cat", "dog", "eel")),
        ((2, 0, 1), ("dog", "eel", "cat")),
        ((1, 2, 3), None),
        ((0, 1, 3), None),
        ((-1, 0, 1), None),
    ],
    ids=str,
)
def test_names_are_those_of_the_outputs_that_id2label_says(
    folders: dict[str, Path], tmp_path: Path, numbers: tuple[int, ...], expected: tuple[str, ...] | None
) -> None:
    folder = tmp_path / "net"
    shutil.copytree(folders["resnet"], folder)
    labels = dict(zip(numbers, CLASSES, strict=True))
    config = json.loads((folder / "config.json").read_text()) | {"id2label": labels, "label2id": {}}
    (folder / "config.json").write_text(json.dumps(config))
    if expected is not None:
        assert ModelZoo().load(f"hf:{folder}").classes == expected
        return
    with pytest.raises(ModelError) as raised:
        ModelZoo().load(f"hf:{folder}")
    assert str(raised.value) == (
        f"hf:{folder}: id2label of its config.json must have the name of each output by its number; got the dict "
        f"{labels}. Valid: a list, or {{name: number}} or {{number: name}} with each of the integers from 0 to 2 once."
    )


def test_pickled_weights_need_trust(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["resnet"], tmp_path / "net")
    net = transformers.AutoModelForImageClassification.from_pretrained(tmp_path / "net").eval()
    torch.save(net.state_dict(), tmp_path / "net/pytorch_model.bin")
    (tmp_path / "net/model.safetensors").unlink()
    with pytest.raises(WeightsError) as raised:
        ModelZoo().load(f"hf:{tmp_path / 'net'}")
    assert str(raised.value) == (
        f"hf:{tmp_path / 'net'} holds no weights as safetensors, but pytorch_model.bin, which may run any code when it "
        "is read. Save it again, model.save_pretrained(FOLDER), or pass --robustness-trust-pickle if you trust its "
        "origin."
    )
    trusted = ModelZoo(trust_pickle=True).load(f"hf:{tmp_path / 'net'}")
    assert torch.equal(trusted.module.classifier[1].weight, net.classifier[1].weight)


@pytest.mark.parametrize(
    ("removed", "error", "text"),
    [
        ("preprocessor_config.json", ModelError, "holds none of preprocessor_config.json, processor_config.json"),
        ("model.safetensors", WeightsError, r"holds no weights as safetensors\. Save it again"),
        ("config.json", OptionError, r"names a folder without config\.json\. Write one with model\.save_pretrained"),
    ],
)
def test_a_folder_that_lacks_a_file_says_which(
    folders: dict[str, Path], tmp_path: Path, removed: str, error: type[Exception], text: str
) -> None:
    shutil.copytree(folders["resnet"], tmp_path / "net")
    (tmp_path / "net" / removed).unlink()
    with pytest.raises(error, match=text):
        ModelZoo().load(f"hf:{tmp_path / 'net'}")


def test_a_model_without_a_trained_head_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["resnet"], tmp_path / "net")
    transformers.AutoModel.from_pretrained(folders["resnet"]).save_pretrained(tmp_path / "net")
    with pytest.raises(ModelError, match=r"has no weights.* for classifier.* so that they would be random"):
        ModelZoo().load(f"hf:{tmp_path / 'net'}")


def test_weights_of_another_shape_than_the_configuration_says_are_named(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders["vit"], tmp_path / "net")
    config = tmp_path / "net" / "config.json"
    entries = json.loads(config.read_text())
    config.write_text(json.dumps(entries | {"image_size": 2 * entries["image_size"]}))
    with pytest.raises(ModelError, match=r"some of another shape, for vit\.embeddings\.position_embeddings of ViTFor"):
        ModelZoo().load(f"hf:{tmp_path / 'net'}")


def test_weights_that_are_cut_off_are_named_with_what_to_do(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["resnet"], tmp_path / "net")
    weights = tmp_path / "net" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ModelError, match=r"could not be read as a model of transformers \(.*\)\. Save it again with"):
        ModelZoo().load(f"hf:{tmp_path / 'net'}")


@pytest.mark.parametrize(
    ("file", "entries", "whose"),
    [
        ("config.json", {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}, ""),
        # transformers would pass over the code of a model whose type it knows, and answer otherwise than the code does.
        ("config.json", {"auto_map": {"AutoModelForImageClassification": "mine.Net"}}, ""),
        ("config.json", {"auto_map": {"AutoModelForImageClassification": "someone/else--mine.Net"}}, ""),
        ("preprocessor_config.json", {"auto_map": {"AutoImageProcessor": "mine.Processor"}}, "the image processor of "),
    ],
)
def test_a_model_with_code_of_its_own_is_refused(
    folders: dict[str, Path], tmp_path: Path, file: str, entries: dict[str, Any], whose: str
) -> None:
    shutil.copytree(folders["resnet"], tmp_path / "net")
    path = tmp_path / "net" / file
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    (tmp_path / "net/mine.py").write_text("raise SystemExit('it ran')\n")
    with pytest.raises(ModelError) as raised:
        ModelZoo().load(f"hf:{tmp_path / 'net'}")
    assert f"The configuration of {whose}hf:{tmp_path / 'net'} has auto_map = " in str(raised.value)
    assert "which would run code that comes with it" in str(raised.value)


def test_a_model_with_code_for_another_task_is_read(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["vit"], tmp_path / "net")
    path = tmp_path / "net/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": {"AutoModelForCausalLM": "mine.Net"}}))
    assert ModelZoo().load(f"hf:{tmp_path / 'net'}").classes == CLASSES


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("text", "base"),
    [('{"base_model_name_or_path": "someone/net"}', " for the model 'someone/net'"), ("{}", ""), ("damaged", "")],
)
def test_an_adapter_is_no_model(folders: dict[str, Path], tmp_path: Path, whole: bool, text: str, base: str) -> None:
    shutil.copytree(folders["vit"], tmp_path / "net")
    (tmp_path / "net/adapter_config.json").write_text(text)
    if not whole:
        (tmp_path / "net/config.json").unlink()
    with pytest.raises(OptionError, match=rf"holds an adapter of peft \(adapter_config.json\){base}, and none is read"):
        ModelZoo().load(f"hf:{tmp_path / 'net'}")


def test_an_adapter_of_the_hub_is_no_model(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def cached_file(place: str, file: str, **how: Any) -> str | None:
        assert (place, how["revision"]) == ("someone/adapter", "main")
        return str(given) if file == "adapter_config.json" else None

    given = folders["vit"].parent / "adapter.json"
    given.write_text('{"base_model_name_or_path": "someone/net"}')
    monkeypatch.setattr("transformers.utils.cached_file", cached_file)
    with pytest.raises(ModelError, match=r"hf:someone/adapter holds an adapter of peft .* for the model 'someone/net'"):
        ModelZoo().load("hf:someone/adapter@main")


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("../vit/model.safetensors", "which lies elsewhere"),
        ("/x/model.safetensors", "which lies elsewhere"),
        ("a\\..\\..\\model.safetensors", "which lies elsewhere"),
        ("C:model.safetensors", "which lies elsewhere"),
        ("weights.bin", "which is not in safetensors and may be a pickle"),
        ("part.safetensors", ""),
    ],
)
@pytest.mark.parametrize("named", ["model.safetensors.index.json", "other.safetensors.index.json"])
def test_the_index_of_weights_names_files_beside_it(
    folders: dict[str, Path], tmp_path: Path, file: str, why: str, named: str
) -> None:
    net = tmp_path / "net"
    shutil.copytree(folders["vit"], net)
    (net / "model.safetensors").rename(net / "part.safetensors")
    if file.endswith(".bin"):
        torch.save(load_file(net / "part.safetensors"), net / file)
    index = {"metadata": {}, "weight_map": dict.fromkeys(load_file(net / "part.safetensors"), file)}
    (net / named).write_text(json.dumps(index))
    if named.startswith("other"):
        config = json.loads((net / "config.json").read_text())
        (net / "config.json").write_text(json.dumps(config | {"transformers_weights": named}))
    if not why:
        assert ModelZoo().load(f"hf:{net}").classes == CLASSES
        return
    with pytest.raises(ModelError) as raised:
        ModelZoo().load(f"hf:{net}")
    assert f"The index of the weights of hf:{net} names {file!r}, {why}." in str(raised.value)


COMMANDS = {
    "kernel": ({"attn_implementation": "someone/kernel"}, "attn_implementation = 'someone/kernel', which would fetch"),
    "kernel of a part": ({"_attn_implementation": {"": "a/b:c"}}, "_attn_implementation = {'': 'a/b:c'}, which would"),
    "code": ({"trust_remote_code": True}, "trust_remote_code = True, which would run code that comes with it"),
    "other weights": ({"model_args": {"checkpoint_path": "/x"}}, "checkpoint_path = '/x', which would read a model"),
    "a model of the hub": ({"architecture": "hf-hub:someone/net"}, "architecture = 'hf-hub:someone/net', which would"),
    "a model of a folder": ({"architecture": "local-dir:/x"}, "architecture = 'local-dir:/x', which would read"),
    "in a list": ({"parts": [{"backbone": {"trust_remote_code": 1}}]}, "trust_remote_code = 1, which would run code"),
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_configuration_gives_no_command(folders: dict[str, Path], tmp_path: Path, kind: str) -> None:
    shutil.copytree(folders["resnet"], tmp_path / "net")
    path = tmp_path / "net/config.json"
    entries, text = COMMANDS[kind]
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    with pytest.raises(ModelError) as raised:
        ModelZoo().load(f"hf:{tmp_path / 'net'}")
    assert f"The configuration of hf:{tmp_path / 'net'} has {text}" in str(raised.value)


@pytest.mark.parametrize("entries", [{"attn_implementation": "eager"}, {"trust_remote_code": False}])
def test_what_is_no_command_is_obeyed(folders: dict[str, Path], tmp_path: Path, entries: dict[str, Any]) -> None:
    shutil.copytree(folders["vit"], tmp_path / "net")
    path = tmp_path / "net/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    assert ModelZoo().load(f"hf:{tmp_path / 'net'}").classes == CLASSES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hf:./nowhere", "names a folder without config.json"),
        ("hf:a/b/c", "is neither a folder"),
        ("hf:my net", "is neither a folder"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_at_once(name: str, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        ModelZoo().expand([name])


def test_a_folder_has_no_revisions(folders: dict[str, Path]) -> None:
    with pytest.raises(OptionError, match="is a folder, which holds its own weights; leave '@main' out"):
        ModelZoo().expand([f"hf:{folders['vit']}@main"])


@pytest.mark.parametrize("name", ["hf:google/vit-base-patch16-224", "hf:owner/net@v1"])
def test_without_the_hub_a_name_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    plain = name.removeprefix("hf:").partition("@")[0]
    with pytest.raises(WeightsError) as raised:
        ModelZoo().load(name)
    assert f"hf:{plain} could not be read from the Hugging Face hub (" in str(raised.value)
    assert str(raised.value).endswith(
        f"download it elsewhere with hf download {plain} --local-dir DIR, and name the folder: hf:DIR."
    )


def test_a_run_judges_it(folders: dict[str, Path], tmp_path: Path) -> None:
    for number, name in enumerate(CLASSES):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for seed in range(4):
            image = photograph(64, 96, 10 * number + seed)
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / f"photos/{name}/{seed}.png")
    data, store = f"folder:{tmp_path / 'photos'}", tmp_path / "s.sqlite"
    place = f"hf:{folders['convnext']}"
    found = evaluate(place, data, "hflip", store=store, progress=False, workers=0, chance_check="off")
    processor = transformers.AutoImageProcessor.from_pretrained(folders["convnext"])
    net = transformers.AutoModelForImageClassification.from_pretrained(folders["convnext"]).eval()
    with torch.no_grad():
        answers = [
            CLASSES[int(net(**processor(images=[Image.open(path)], return_tensors="pt")).logits.argmax())]
            for path in sorted((tmp_path / "photos").glob("*/*.png"))
        ]
    table = found.to_frame("images")
    assert table[table["transform"] == "control"]["answer"].tolist() == answers
    assert found.robustness.run_log.models[place].class_match == "name"
    assert found.warnings == ()
    found.close()


@pytest.mark.parametrize(
    ("name", "package", "installed"),
    [("hf:owner/net", "transformers", "transformers"), ("clip:a:b", "open_clip", "open-clip-torch timm")],
)
def test_without_its_library_a_source_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str, installed: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda named: None)
    with pytest.raises(OptionError) as raised:
        ModelZoo().expand([name])
    assert str(raised.value) == (f"'{name}' needs {package}, which is not installed: pip install {installed}")
