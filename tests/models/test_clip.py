"""CLIP models of open_clip: texts and images as open_clip has them, classes from the data, errors with advice."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pytest_robustness import doctor, evaluate
from pytest_robustness.core import ClassLabel, Preprocess
from pytest_robustness.core.errors import ModelError, OptionError, WeightsError
from pytest_robustness.inference.loading.class_matching import imagenet_classes
from pytest_robustness.inference.preprocess import to_canvas, to_inputs
from pytest_robustness.models import ModelZoo
from pytest_robustness.models.zero_shot import templates_of

if TYPE_CHECKING:
    from pathlib import Path

open_clip = pytest.importorskip("open_clip", reason="the extra clip is not installed")

SIDE = 32
MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": SIDE, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
MEAN, STD = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]
SETTINGS = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
CLASSES = ("red_apple", "blue sky", "green-leaf")
LABELS = tuple(ClassLabel(name, name) for name in CLASSES)
COLOURS = {"red_apple": (200, 40, 30), "blue sky": (60, 120, 220), "green-leaf": (40, 160, 60)}


def write(folder: Path, settings: dict[str, Any] | None = SETTINGS, **model: Any) -> Path:
    """Write a small CLIP model with weights by chance, as open_clip has it in a folder."""
    folder.mkdir(exist_ok=True)
    content = {"model_cfg": MODEL | model} | ({} if settings is None else {"preprocess_cfg": settings})
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    torch.manual_seed(1)
    custom = model.get("custom_text", False)
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    net = kind(**MODEL, **({"init_logit_bias": -3.0} if custom else {}))
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    save_file(
        {key: value.contiguous() for key, value in net.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("clip"))


def loaded(name: Path | str, classes: tuple[ClassLabel, ...] = LABELS, templates: str = "single") -> Any:
    zoo = ModelZoo(templates=templates)
    zoo.name_classes(classes)
    return zoo.load(f"clip:{name}")


def photograph(height: int, width: int, seed: int) -> Image.Image:
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(3, height // 8, width // 8, generator=draw).repeat_interleave(8, 1).repeat_interleave(8, 2)
    return Image.fromarray((coarse * 255).to(torch.uint8).permute(1, 2, 0).numpy())


def tensor(image: Image.Image) -> torch.Tensor:
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(*image.size[::-1], 3).permute(2, 0, 1)


@torch.no_grad()
def by_hand(folder: Path, image: Image.Image, sentences: dict[str, list[str]]) -> torch.Tensor:
    """Return the logits of an image as the paper computes them: one class, one sentence at a time."""
    net, _, pipeline = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    net.eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    seen = net.encode_image(pipeline(image)[None])[0]
    logits = []
    for texts in sentences.values():
        read = [net.encode_text(tokenizer([text]))[0] for text in texts]
        mean = torch.stack([text / text.norm() for text in read]).mean(0)
        cosine = (seen @ mean) / (seen.norm() * mean.norm())
        logits.append(net.logit_scale.exp() * cosine + (0.0 if net.logit_bias is None else net.logit_bias))
    return torch.stack(logits)


@torch.no_grad()
@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("custom", [False, True], ids=["CLIP", "custom text tower and bias"])
def test_logits_and_answers_are_those_of_open_clip(tmp_path: Path, mode: str, custom: bool) -> None:
    more = {"custom_text": True, "init_logit_bias": -3.0} if custom else {}
    place = write(tmp_path / "net", SETTINGS | {"resize_mode": mode}, **more)
    model = loaded(place)
    assert model.preprocess == Preprocess(SIDE, SIDE, MEAN, STD, "bicubic", squash=mode == "squash")
    assert (model.classes, model.assumed, model.unhashed) == (CLASSES, (), ())
    sentences = {name: [f"a photo of a {name.replace('_', ' ')}."] for name in CLASSES}
    for seed, shape in enumerate([(32, 32), (64, 96), (128, 64), (40, 48)]):
        image = photograph(*shape, seed)
        inputs = to_inputs(to_canvas(tensor(image), model.preprocess.canvas)[None], model.preprocess)
        logits, expected = model.module(inputs)[0], by_hand(place, image, sentences)
        # Pillow's resize rounds some pixels otherwise than torchvision's, by one of 255; without one they are equal.
        assert torch.allclose(logits, expected, atol=1e-4 if shape == (SIDE, SIDE) else 0.05)
        assert logits.argmax() == expected.argmax()


@torch.no_grad()
def test_several_sentences_count_by_the_mean_of_their_features(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "sentences.txt"
    file.write_text("a {}.\n\nan old picture of the {}, in a {frame}\n")
    model, image = loaded(folder, templates=str(file)), photograph(SIDE, SIDE, 9)
    names = {name: name.replace("_", " ") for name in CLASSES}
    sentences = {name: [f"a {text}.", f"an old picture of the {text}, in a {{frame}}"] for name, text in names.items()}
    inputs = to_inputs(tensor(image)[None], model.preprocess)
    assert torch.allclose(model.module(inputs)[0], by_hand(folder, image, sentences), atol=1e-4)
    assert model.fingerprint != loaded(folder).fingerprint


@pytest.mark.parametrize(("named", "count"), [("single", 1), ("simple", 7), ("openai", 80)])
def test_templates_have_names(named: str, count: int) -> None:
    templates = templates_of(named)
    assert len(templates) == count
    assert all("tench" in template("tench") for template in templates)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "is neither one of single, simple, openai nor a readable text file"),
        ("a photo\n", "has the line 'a photo'. Write one sentence a line, with {} once in each"),
        ("{} and {}\n", "has the line '{} and {}'"),
        ("\n", "has no line"),
    ],
)
def test_sentences_without_a_place_for_the_name_are_refused(
    folder: Path, tmp_path: Path, content: str | None, text: str
) -> None:
    file = tmp_path / "sentences.txt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ModelError) as raised:
        loaded(folder, templates=str(file))
    assert str(raised.value).startswith("--robustness-clip-templates: ")
    assert text in str(raised.value)


@pytest.mark.parametrize(
    "labels",
    [(), tuple(ClassLabel(wnid, wnid) for wnid in [*imagenet_classes()][3:8])],
    ids=["no classes", "some of ImageNet's"],
)
def test_imagenets_classes_go_by_the_names_of_open_clip(folder: Path, labels: tuple[ClassLabel, ...]) -> None:
    model = loaded(folder, labels)
    assert model.classes == tuple(imagenet_classes())
    net, tokenizer = open_clip.create_model(f"local-dir:{folder}").eval(), open_clip.get_tokenizer("ViT-B-32", 32)
    with torch.no_grad():
        text = net.encode_text(tokenizer([f"a photo of a {open_clip.IMAGENET_CLASSNAMES[7]}."]), normalize=True)[0]
    assert torch.allclose(model.module.texts[:, 7], text, atol=1e-5)


def test_the_fingerprint_is_of_weights_classes_and_sentences_and_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "moved")
    first = loaded(folder).fingerprint
    assert loaded(tmp_path / "moved").fingerprint == first
    assert len({first, loaded(folder, LABELS[:2]).fingerprint, loaded(folder, templates="simple").fingerprint}) == 3


def test_a_run_judges_it_by_the_classes_of_its_data(folder: Path, tmp_path: Path) -> None:
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            image = Image.new("RGB", (40, 40), tuple(min(255, value + 5 * number) for value in colour))
            image.save(tmp_path / f"photos/{name}/{number}.png")
    found = evaluate(
        f"clip:{folder}",
        f"folder:{tmp_path / 'photos'}",
        "brightness",
        store=tmp_path / "s.sqlite",
        progress=False,
        workers=0,
        chance_check="off",
    )
    (facts,) = found.robustness.run_log.models.values()
    assert (facts.class_match, facts.outputs) == ("name", (0, 1, 2))
    assert found.warnings == ()
    model, answers = loaded(folder, tuple(ClassLabel(name, name) for name in sorted(CLASSES))), []
    for path in sorted((tmp_path / "photos").glob("*/*.png")):
        inputs = to_inputs(to_canvas(tensor(Image.open(path)), model.preprocess.canvas)[None], model.preprocess)
        answers.append(model.classes[int(model.module(inputs).argmax())])
    table = found.to_frame("images")
    table = table[table["transform"] == "control"]
    assert table["answer"].tolist() == answers
    # The doctor asks about the same classes.
    diagnosis = doctor(f"clip:{folder}", f"folder:{tmp_path / 'photos'}", store=tmp_path / "s.sqlite", progress=False)
    true = [path.parent.name for path in sorted((tmp_path / "photos").glob("*/*.png"))]
    right = [answer == name for answer, name in zip(answers, true, strict=True)]
    assert diagnosis.control == pytest.approx(100 * sum(right) / len(right))
    found.close()


@pytest.mark.parametrize(("settings", "assumed"), [(None, ("mean", "std")), ({"mean": MEAN}, ("std",)), (SETTINGS, ())])
def test_what_a_folder_does_not_say_is_assumed(
    tmp_path: Path, settings: dict[str, Any] | None, assumed: tuple[str, ...]
) -> None:
    assert loaded(write(tmp_path / "net", settings)).assumed == assumed


def test_a_file_of_weights_goes_into_an_architecture_and_says_nothing_of_preprocessing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", MODEL)
    file = shutil.copy(folder / "open_clip_model.safetensors", tmp_path / "w.safetensors")
    model = loaded(f"tiny:{file}")
    assert torch.equal(model.module.texts, loaded(folder).module.texts)
    assert model.assumed == ("mean", "std")
    with pytest.raises(ModelError, match=r"'nowhere' is neither a tag of open_clip's weights for tiny nor a file"):
        loaded("tiny:nowhere")


def test_what_makes_no_square_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"evaluates clip:.* on 32 x 32 pixels with resize_mode 'longest'"):
        loaded(write(tmp_path / "net", SETTINGS | {"resize_mode": "longest"}))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("clip:ViT-B-32", r"Which weights of clip:ViT-B-32\? Write clip:ViT-B-32:TAG, .*, or clip:ViT-B-32:FILE"),
        ("clip:ViT-B-32@openai", "write 'clip:ViT-B-32:openai' for 'ViT-B-32@openai'"),
        ("clip:./nowhere", r"names a folder without open_clip_config\.json"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_at_once(name: str, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        ModelZoo().expand([name])


@pytest.fixture
def planted(folder: Path, tmp_path: Path) -> Path:
    """Return a folder with Python beside the model, which all its configurations for transformers name."""
    shutil.copytree(folder, tmp_path / "net")
    own = {"AutoTokenizer": ["planted.T", None], "AutoConfig": "planted.C", "AutoModel": "planted.M"}
    (tmp_path / "net/tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "T", "auto_map": own}))
    (tmp_path / "net/config.json").write_text(json.dumps({"model_type": "planted", "auto_map": own}))
    (tmp_path / "net/planted.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    return tmp_path / "net"


TOKENIZER = {"hf_tokenizer_name": "own"}
TRUSTING = TOKENIZER | {"tokenizer_kwargs": {"trust_remote_code": True}}


@pytest.mark.parametrize("place", ["folder", "hub"])
@pytest.mark.parametrize(
    ("part", "entries", "text"),
    [
        ("text_cfg", TRUSTING, " has trust_remote_code = True, which would run code that comes with it. "),
        ("text_cfg", {"tokenizer_kwargs": {"trust_remote_code": "yes"}}, " has trust_remote_code = 'yes', which "),
        ("text_cfg", TOKENIZER, " could not be read "),
        ("text_cfg", TOKENIZER | {"tokenizer_kwargs": {"trust_remote_code": False}}, " could not be read "),
        ("text_cfg", {"hf_model_name": "{folder}"}, " could not be read "),
        ("vision_cfg", {"timm_model_name": "hf-hub:owner/net"}, " has timm_model_name = 'hf-hub:owner/net', which "),
        ("vision_cfg", {"timm_model_name": "local-dir:{folder}"}, ", which would read a model from elsewhere. "),
    ],
)
def test_no_code_beside_a_model_runs(
    planted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    part: str,
    entries: dict[str, Any],
    text: str,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "yes")
    filled = json.loads(json.dumps(entries).replace("{folder}", str(planted)))
    config = {"model_cfg": MODEL | {part: MODEL[part] | filled}, "preprocess_cfg": SETTINGS}
    (planted / "open_clip_config.json").write_text(json.dumps(config))
    name = str(planted)
    if place == "hub":  # the files of a repository, as its cache has them
        name = "owner/net"
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        for module in ("huggingface_hub", "open_clip.pretrained"):
            monkeypatch.setattr(f"{module}.hf_hub_download", lambda _, filename, **__: str(planted / filename))
    with pytest.raises((ModelError, WeightsError)) as raised:
        loaded(name)
    assert f"clip:{name}" in str(raised.value)
    assert text in str(raised.value)
    assert not (tmp_path / "ran").exists()
    assert asked == []


def test_a_folder_without_weights_would_be_random_and_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "net")
    (tmp_path / "net/open_clip_model.safetensors").unlink()
    with pytest.raises(OptionError, match=r"names a folder without weights: put open_clip_model\.safetensors into it"):
        ModelZoo().expand([f"clip:{tmp_path / 'net'}"])


def test_weights_of_another_architecture_are_an_error_of_the_model(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "net")
    path = tmp_path / "net/open_clip_config.json"
    other = json.loads(path.read_text())
    other["model_cfg"]["embed_dim"] = 24
    path.write_text(json.dumps(other))
    with pytest.raises(
        ModelError, match=r"could not be read by open_clip \(RuntimeError: .* Is it of that architecture"
    ):
        loaded(tmp_path / "net")


def test_an_architecture_that_does_not_exist_is_named_with_the_closest() -> None:
    with pytest.raises(ModelError, match=r"'ViT-B-33' is not an architecture of open_clip\. Close to it: ViT-B-32"):
        loaded("ViT-B-33:openai")


@pytest.mark.parametrize(
    ("name", "repository", "advice"),
    [
        (
            "ViT-B-32:laion2b_s34b_b79k",
            "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
            "the file in it: clip:ViT-B-32:DIR/FILE.",
        ),
        ("owner/net", "owner/net", "the folder: clip:DIR."),
    ],
)
def test_without_the_hub_a_name_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, repository: str, advice: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError) as raised:
        loaded(name)
    assert f"clip:{name} could not be read from the Hugging Face hub (" in str(raised.value)
    assert str(raised.value).endswith(
        f"download {repository} elsewhere with hf download {repository} --local-dir DIR, and name {advice}"
    )
