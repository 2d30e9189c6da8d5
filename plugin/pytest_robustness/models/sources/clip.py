"""CLIP models of open_clip as classifiers without training: ``clip:NAME:PRETRAINED``, an extra of its own.

``clip:ViT-B-32:laion2b_s34b_b79k`` is an architecture of open_clip and the tag of its weights, or the path of their
file; ``clip:nets/mine`` a folder with ``open_clip_config.json`` and weights; ``clip:owner/name`` a repository of the
Hugging Face hub that holds the same.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core import Model, Preprocess
from pytest_robustness.core.errors import ModelError, OptionError, RobustnessError, WeightsError
from pytest_robustness.models.files import require
from pytest_robustness.models.foreign_config import no_question, require_no_command
from pytest_robustness.models.hub import asked_once, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_robustness.models.weights import WeightsPolicy

_log = logging.getLogger(__name__)
# The classes of the data decide what it answers, besides code and weights.
PUBLISHED: Final = False
_CONFIG: Final = "open_clip_config.json"
_WEIGHTS: Final = ("*.safetensors", "*.bin", "*.pth", "*.pt")


class _Place(NamedTuple):
    """Where a model is, as open_clip names it, and what weights its architecture gets."""

    name: str
    weights: str | None
    folder: Path | None

    @property
    def listed(self) -> bool:
        """Whether open_clip has the architecture, so that weights must be named."""
        return self.folder is None and not self.name.startswith("hf-hub:")


def known() -> Sequence[str]:
    """Return the forms of a name."""
    return "architecture:tag", "architecture:path/to/weights.safetensors", "path/to/folder", "owner/name"


def check(name: str, weights: str | None) -> None:
    """Raise `OptionError` if open_clip is not installed, or a folder or the weights are missing from ``name``."""
    if weights is not None:
        raise OptionError(
            f"open_clip names weights after a colon: write 'clip:{name}:{weights}' for '{name}@{weights}'."
        )
    require(f"clip:{name}", "clip", ("open_clip",))
    place = _place(name)
    if place.folder is not None and not (place.folder / _CONFIG).is_file():
        raise OptionError(f"'clip:{name}' names a folder without {_CONFIG} (from {Path.cwd()}).")
    if place.folder is not None and not any(True for kind in _WEIGHTS for _ in place.folder.glob(kind)):
        raise OptionError(f"'clip:{name}' names a folder without weights: put open_clip_model.safetensors into it.")
    if place.listed and not place.weights:
        raise OptionError(
            f"Which weights of clip:{name}? Write clip:{name}:TAG, as open_clip.list_pretrained() lists them, or "
            f"clip:{name}:FILE."
        )


def load(name: str, weights: str | None, policy: WeightsPolicy) -> Model:  # noqa: ARG001 (they are in the name)
    """Return the classifier of the data's classes, or of ImageNet's, that the model makes of their names."""
    import open_clip
    from open_clip.model import get_model_preprocess_cfg

    from pytest_robustness.models.zero_shot import prompts_of, templates_of, zero_shot

    place = _place(name)
    _require_known(place)
    templates = templates_of(policy.templates)
    prompts, classes = prompts_of(policy.classes)
    with _reading(name, place), no_question():
        config = _config(place)
        require_no_command(f"clip:{name}", config)
        model = open_clip.create_model(
            place.name, pretrained=place.weights, require_pretrained=True, weights_only=not policy.trust_pickle
        )
        tokenizer = open_clip.get_tokenizer(place.name, **_tokenizer_settings(config))
    settings = get_model_preprocess_cfg(model)
    module = zero_shot(model, tokenizer, prompts, templates)
    return Model(module, _preprocess(name, settings), classes, assumed=_assumed(place))


def _config(place: _Place) -> dict[str, Any]:
    """Return the configuration of the architecture, of whoever made the model; that of open_clip itself where it is."""
    import open_clip

    if place.listed:
        found: dict[str, Any] | None = open_clip.get_model_config(place.name)
        return found or {}
    if place.folder is not None:
        file = place.folder / _CONFIG
    else:
        from huggingface_hub import hf_hub_download

        file = Path(hf_hub_download(place.name.removeprefix("hf-hub:"), _CONFIG))
    read: dict[str, Any] = json.loads(file.read_bytes())["model_cfg"]
    return read


def _tokenizer_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a tokenizer of transformers is told, whatever the configuration says; open_clip's own takes none."""
    return {"trust_remote_code": False} if config.get("text_cfg", {}).get("hf_tokenizer_name") else {}


def _place(name: str) -> _Place:
    path = Path(name).expanduser()
    if path.is_dir() or name.startswith((".", "/", "~")):
        return _Place(f"local-dir:{path}", None, path)
    architecture, _, weights = name.partition(":")
    if not weights and "/" in architecture:
        return _Place(f"hf-hub:{architecture}", None, None)
    return _Place(architecture, weights or None, None)


def _require_known(place: _Place) -> None:
    """Raise `ModelError` unless open_clip has the architecture, and the weights are a tag of it or a file."""
    import open_clip

    if not place.listed or place.weights is None:
        return
    if place.name not in open_clip.list_models():
        close = difflib.get_close_matches(place.name, open_clip.list_models(), n=5)
        hint = f"Close to it: {', '.join(close)}. " if close else ""
        raise ModelError(
            f"{place.name!r} is not an architecture of open_clip. {hint}open_clip.list_models() lists all."
        )
    tags = open_clip.list_pretrained_tags_by_model(place.name)
    if not open_clip.get_pretrained_cfg(place.name, place.weights) and not Path(place.weights).is_file():
        listed = f"Known: {', '.join(tags)}. " if tags else ""
        raise ModelError(
            f"{place.weights!r} is neither a tag of open_clip's weights for {place.name} nor a file (from "
            f"{Path.cwd()}). {listed}Or name a file: clip:{place.name}:FILE.safetensors."
        )


def _assumed(place: _Place) -> tuple[str, ...]:
    """Return what nothing gave: a file of weights does not say how its images were normalized, nor every folder."""
    import open_clip

    if place.folder is not None:
        given = json.loads((place.folder / _CONFIG).read_bytes()).get("preprocess_cfg", {})
        return tuple(name for name in ("mean", "std") if name not in given)
    if place.listed and place.weights is not None and not open_clip.get_pretrained_cfg(place.name, place.weights):
        return ("mean", "std")
    return ()


def _preprocess(name: str, settings: dict[str, Any]) -> Preprocess:
    """Return what open_clip does to images in evaluation.

    Raises
    ------
    ModelError
        It makes no square, or pads.
    """
    size = settings["size"]
    height, width = size if isinstance(size, tuple | list) else (size, size)
    mode = settings.get("resize_mode") or "shortest"
    if height != width or mode not in ("shortest", "squash"):
        raise ModelError(
            f"open_clip evaluates clip:{name} on {height} x {width} pixels with resize_mode {mode!r}; it must be a "
            f"square that lies within the image ('shortest'), or the whole image squashed ('squash')."
        )
    return Preprocess(
        resize=height,
        crop=height,
        mean=settings["mean"],
        std=settings["std"],
        interpolation="bilinear" if settings.get("interpolation") == "bilinear" else "bicubic",
        antialias=True,  # open_clip evaluates with Pillow, which antialiases
        squash=mode == "squash",
    )


@contextlib.contextmanager
def _reading(name: str, place: _Place) -> Iterator[None]:
    """Say of what cannot be read where it should be, and what to do; ask the hub once whether it answers."""
    repository = _repository(place)
    try:
        with contextlib.nullcontext() if repository is None else asked_once(repository):
            yield
    except RobustnessError:
        raise
    except Exception as error:  # open_clip turns those of the hub into RuntimeError, and lets others through
        _log.debug("clip:%s could not be read", name, exc_info=True)
        cause = first_line(error)
        if repository is None:
            raise ModelError(
                f"clip:{name} could not be read by open_clip ({cause}). Is it of that architecture, and undamaged?"
            ) from error
        raise WeightsError(
            f"clip:{name} could not be read from the Hugging Face hub ({cause}). Without network, download "
            f"{repository} elsewhere with hf download {repository} --local-dir DIR, and name "
            + (f"the file in it: clip:{place.name}:DIR/FILE." if place.listed else "the folder: clip:DIR.")
        ) from error


def _repository(place: _Place) -> str | None:
    """Return the repository of the hub that is read; ``None`` where the weights are here, or come from elsewhere."""
    import open_clip

    if place.folder is not None:
        return None
    if not place.listed:
        return place.name.removeprefix("hf-hub:")
    found = open_clip.get_pretrained_cfg(place.name, place.weights).get("hf_hub", "")
    return "/".join(found.split("/")[:2]) or None
