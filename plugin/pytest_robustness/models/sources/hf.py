"""Image classifiers of transformers, ``hf:NAME_OR_FOLDER``, with the image processor that was saved beside them.

``hf:nets/mine`` is a folder that ``save_pretrained`` wrote; ``hf:google/vit-base-patch16-224`` a repository of the
Hugging Face hub, ``hf:google/vit-base-patch16-224@REVISION`` a commit, tag or branch of it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from safetensors import SafetensorError

from pytest_robustness.core import Model
from pytest_robustness.core.class_names import in_order
from pytest_robustness.core.errors import ModelError, OptionError, WeightsError
from pytest_robustness.core.text import abridged, quoted
from pytest_robustness.models.files import require
from pytest_robustness.models.fingerprint import identified
from pytest_robustness.models.foreign_config import no_question, require_no_command, require_own_shards
from pytest_robustness.models.hf_processor import preprocess_of
from pytest_robustness.models.hub import asked_once, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_robustness.models.weights import WeightsPolicy

_log = logging.getLogger(__name__)
# The library opens weights behind Python's back, so that no later run could know without loading that they changed.
PUBLISHED: Final = False
_HUB_NAME: Final = r"[\w.-]+(/[\w.-]+)?"
_PROCESSORS: Final = ("preprocessor_config.json", "processor_config.json")
_ADAPTER: Final = "adapter_config.json"
_INDEX: Final = "model.safetensors.index.json"
_PICKLES: Final = ("*.bin", "*.pt", "*.pth")


def known() -> Sequence[str]:
    """Return the forms of a name."""
    return "path/to/folder", "owner/name", "owner/name@revision"


def check(name: str, weights: str | None) -> None:
    """Raise `OptionError` unless transformers is installed and ``name`` is a folder's or may be one of the hub."""
    require(f"hf:{name}", "transformers", ("transformers",))
    folder = _folder(name)
    if folder is None:
        if not re.fullmatch(_HUB_NAME, name):
            raise OptionError(
                f"'hf:{name}' is neither a folder (from {Path.cwd()}) nor a name of the Hugging Face hub, such as "
                f"hf:google/vit-base-patch16-224."
            )
        return
    if weights is not None:
        raise OptionError(f"'hf:{name}' is a folder, which holds its own weights; leave '@{weights}' out.")
    if (folder / _ADAPTER).is_file():
        raise OptionError(_adapter(name, _read(folder / _ADAPTER)))
    if not (folder / "config.json").is_file():
        raise OptionError(
            f"'hf:{name}' names a folder without config.json. Write one with model.save_pretrained({name!r}) and "
            f"processor.save_pretrained({name!r})."
        )


def load(name: str, weights: str | None, policy: WeightsPolicy) -> Model:
    """Return the model with what its image processor does to images and with the classes of its ``id2label``."""
    from transformers import AutoImageProcessor, PretrainedConfig, PreTrainedModel

    folder = _folder(name)
    place: dict[str, Any] = {"pretrained_model_name_or_path": name if folder is None else str(folder)}
    if weights is not None:
        place["revision"] = weights
    with _reading(name, folder), _quiet(), no_question():
        adapter = _beside(place, _ADAPTER)
        if adapter is not None:
            raise ModelError(_adapter(name, adapter))
        config = PretrainedConfig.get_config_dict(**place)[0]
        require_no_command(f"hf:{name}", config)
        for index in (_INDEX, config.get("transformers_weights")):
            if str(index).endswith(".index.json"):
                require_own_shards(f"hf:{name}", _beside(place, str(index)), pickles=policy.trust_pickle)
        _require_processor(name, place)
        processor = AutoImageProcessor.from_pretrained(**place, trust_remote_code=False)
        module = _module(name, place, folder, policy.trust_pickle)
    _forget_place(module)
    model = Model(module, preprocess_of(name, processor), _classes(name, module.config))
    # It draws weights for what has none; its decorator holds a generator, which cannot be hashed.
    return identified(model, hashes=policy.hashes, given=[PreTrainedModel.initialize_weights])


def _beside(place: dict[str, Any], file: str) -> object:
    """Return what a JSON file beside a model holds; ``None`` where there is none."""
    from transformers.utils import cached_file

    found = cached_file(
        place["pretrained_model_name_or_path"],
        file,
        revision=place.get("revision"),
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return None if found is None else _read(Path(found))


def _read(file: Path) -> object:
    """Return what a JSON file holds: an empty object where it cannot be read, as what it is for is there."""
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        _log.debug("%s cannot be read", file, exc_info=True)
        return {}


def _adapter(name: str, config: object) -> str:
    """Return why a model is refused that is but an adapter: without peft its weights would be passed over in silence.

    With it, and from the hub, those of another model would be read, which its configuration names.
    """
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    return (
        f"hf:{name} holds an adapter of peft ({_ADAPTER}){f' for the model {quoted(base)}' if base else ''}, and "
        f"none is read. Merge the two, model.merge_and_unload().save_pretrained(FOLDER), save the image "
        f"processor with them, processor.save_pretrained(FOLDER), and name that folder."
    )


def _forget_place(module: Any) -> None:
    """Remove where the model lay from its parts: the fingerprint is of what they are."""
    for part in module.modules():
        for holder, attribute in ((part, "name_or_path"), (getattr(part, "config", None), "_name_or_path")):
            if isinstance(getattr(holder, attribute, None), str):
                setattr(holder, attribute, "")


def _folder(name: str) -> Path | None:
    """Return the folder that ``name`` means; ``None`` where it is a name of the hub."""
    path = Path(name).expanduser()
    return path if path.is_dir() or name.startswith((".", "/", "~")) else None


def _module(name: str, place: dict[str, Any], folder: Path | None, trust_pickle: bool) -> Any:
    """Return the model, every weight of which was in its files.

    Raises
    ------
    WeightsError
        There are none but in pickles.
    ModelError
        The files lack weights of a classifier.
    """
    from transformers import AutoModelForImageClassification

    if folder is not None and not trust_pickle and not any(folder.glob("*.safetensors")):
        pickles = [path.name for pattern in _PICKLES for path in folder.glob(pattern)]
        raise WeightsError(
            f"hf:{name} holds no weights as safetensors"
            + (f", but {', '.join(sorted(pickles))}, which may run any code when it is read" if pickles else "")
            + ". Save it again, model.save_pretrained(FOLDER)"
            + (", or pass --robustness-trust-pickle if you trust its origin." if pickles else ".")
        )
    module, loading = AutoModelForImageClassification.from_pretrained(
        **place,
        use_safetensors=None if trust_pickle else True,
        trust_remote_code=False,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are in what it says of loading, and refused below by name
    )
    lacking = sorted({*loading["missing_keys"], *(str(key) for key, *_ in loading.get("mismatched_keys", ()))})
    if lacking:
        raise ModelError(
            f"hf:{name} has no weights, or some of another shape, for {abridged(lacking, 3)} of "
            f"{type(module).__name__}, so that they would be random. Name a model that was trained to classify images, "
            f"with the configuration of its training."
        )
    return module


def _require_processor(name: str, place: dict[str, Any]) -> None:
    """Raise `ModelError` where nothing says what is done to images: transformers would take defaults."""
    from transformers import AutoConfig
    from transformers.models.auto.image_processing_auto import get_image_processor_config

    config, processor = (
        AutoConfig.from_pretrained(**place, trust_remote_code=False),
        get_image_processor_config(**place),
    )
    require_no_command(f"the image processor of hf:{name}", processor)
    if config.model_type == "timm_wrapper" or processor:
        return
    raise ModelError(
        f"hf:{name} holds none of {', '.join(_PROCESSORS)}, so that nothing says what is done to images. Save the "
        f"image processor that it was trained with beside it: processor.save_pretrained(FOLDER)."
    )


def _classes(name: str, config: Any) -> tuple[str, ...] | None:
    """Return the name of each output; ``None`` where a configuration has the names that it gives by itself.

    Raises
    ------
    ModelError
        The numbers of its names are not those of outputs.
    """
    try:
        names = tuple(map(str, in_order(config.id2label)))
    except TypeError as error:
        raise ModelError(
            f"hf:{name}: id2label of its config.json must have the name of each output by its number; got {error}."
        ) from error
    return None if all(name == f"LABEL_{number}" for number, name in enumerate(names)) else names


@contextlib.contextmanager
def _reading(name: str, folder: Path | None) -> Iterator[None]:
    """Say of what cannot be read where it should be, and what to do; ask the hub once whether it answers."""
    try:
        with contextlib.nullcontext() if folder is not None else asked_once(name):
            yield
    except (OSError, ValueError, SafetensorError) as error:
        _log.debug("hf:%s could not be read", name, exc_info=True)
        if folder is not None:
            raise ModelError(
                f"hf:{name} could not be read as a model of transformers ({first_line(error)}). Save it again with "
                f"model.save_pretrained and processor.save_pretrained; one with code of its own is loaded by a factory "
                f"of yours (python:FILE:FUNCTION)."
            ) from error
        raise WeightsError(
            f"hf:{name} could not be read from the Hugging Face hub ({first_line(error)}). Is it the name of a "
            f"classifier with weights as safetensors, as in huggingface.co/{name}? Without network, download it "
            f"elsewhere with hf download {name} --local-dir DIR, and name the folder: hf:DIR."
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Return a context in which transformers shows neither progress bars nor remarks."""
    from transformers.utils import logging as shown

    level, bars = shown.get_verbosity(), shown.is_progress_bar_enabled()
    try:
        shown.set_verbosity(shown.ERROR)
        shown.disable_progress_bar()
        yield
    finally:
        try:
            shown.set_verbosity(level)
        finally:
            if bars:
                shown.enable_progress_bar()
