"""Load data sets of Hugging Face: without a network unless a download is asked for, and without long retries."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.extras import pip_install
from pytest_robustness.core.files import user_path
from pytest_robustness.core.process import warnings_ignored
from pytest_robustness.core.text import decoded, printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)
_SECONDS: Final = 5.0
"""How long the hub may take to answer whether it has a data set."""
_PREFERRED: Final = ("test", "validation")
_FILES: Final[Mapping[str, str]] = {
    ".parquet": "parquet", ".arrow": "arrow", ".csv": "csv", ".json": "json", ".jsonl": "json", ".tar": "webdataset",
}  # fmt: skip


def load(spec: str, name: str, split: str, options: Mapping[str, str], *, download: bool) -> Any:
    """Return one split of a data set, as ``datasets.Dataset``.

    Raises
    ------
    DataError
        The package is not installed; the data set is not there or not whole; the split is not clear.
    """
    try:
        import datasets
    except ImportError as error:
        _log.debug("datasets cannot be imported", exc_info=True)
        raise DataError(
            f"{spec} needs the package datasets, which is not installed. Run: {pip_install('hf')}"
        ) from error
    path = user_path(name).absolute()
    local = path.exists()
    if not local and (name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name):
        raise DataError(f"{decoded(str(path))} does not exist. Valid: a folder, a file, or a name on the hub.")
    try:
        with _quietly(offline=local or not _reachable(name, options, download=download)):
            found = _local(path, options) if local else _of_the_hub(name, options)
    except DataError:
        raise
    except Exception as error:  # the library raises errors of many types
        _log.debug("%s cannot be loaded", spec, exc_info=True)
        if local:
            said = " ".join(printable(f"{type(error).__name__}: {error}", 500).split())
            raise DataError(f"{decoded(str(path))} is no data set that can be loaded: {said}.") from error
        raise DataError(_absent(name, error, download=download)) from error
    if isinstance(found, datasets.DatasetDict):
        return found[_split(decoded(spec), split, [*found])]
    if split and str(found.split or "") not in ("", split):
        raise DataError(f"{decoded(spec)} is the split {found.split} alone. Leave :{split} out.")
    return found


def _local(path: Path, options: Mapping[str, str]) -> Any:
    import datasets

    if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
        return datasets.load_from_disk(str(path))
    if path.is_file():
        if path.suffix not in _FILES:
            raise DataError(f"{decoded(str(path))} is no file of a data set. Valid: {', '.join(_FILES)}, or a folder.")
        return datasets.load_dataset(_FILES[path.suffix], data_files=str(path), split="train")
    _require_files_of_its_own(path)
    return datasets.load_dataset(str(path), options.get("config"))


def _require_files_of_its_own(folder: Path) -> None:
    """Raise `DataError` where a folder's own description says that its files are at an address: they would be fetched.

    The library's switches for working offline do not keep it from asking a web server.
    """
    import datasets
    import yaml
    from huggingface_hub import DatasetCard

    card, standalone = folder / datasets.config.REPOCARD_FILENAME, folder / datasets.config.REPOYAML_FILENAME
    found = {card: DatasetCard.load(card).data.to_dict()} if card.is_file() else {}
    if standalone.exists():
        found[standalone] = yaml.safe_load(standalone.read_text(encoding="utf-8")) or {}
    for file, said in found.items():
        texts = _texts(said.get("configs"), set())
        address = next((text for text in texts if "://" in text or "::" in text), None)
        if address is not None:
            raise DataError(
                f"{decoded(str(file))} says that files of the data set are at {quoted(address)}, and no address that a "
                f"folder names is opened. Download the files into the folder, and name them there."
            )


def _texts(value: object, seen: set[int]) -> Iterator[str]:
    """Yield each text within a value of YAML once: an alias may stand for a part that is large, or for the whole."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list) and id(value) not in seen:
        seen.add(id(value))
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(item, seen)


def parquet_files(name: str, options: Mapping[str, str]) -> list[str]:
    """Return the Parquet files of a local folder, those of all splits; none where ``datasets`` wrote it itself."""
    import datasets

    path = user_path(name).absolute()
    written = (path / "dataset_dict.json").exists() or (path / "state.json").exists()
    if not path.is_dir() or written or not any(path.rglob("*.parquet")):
        return []
    with _quietly(offline=True):
        builder = datasets.load_dataset_builder(str(path), options.get("config"))
    files = [str(file) for part in (getattr(builder.config, "data_files", None) or {}).values() for file in part]
    return [file for file in files if file.endswith(".parquet")]


def _of_the_hub(name: str, options: Mapping[str, str]) -> Any:
    import datasets

    return datasets.load_dataset(name, options.get("config"), revision=options.get("revision"))


def _reachable(name: str, options: Mapping[str, str], *, download: bool) -> bool:
    """Return whether the hub answers, within seconds, that it has a data set; without ``download`` it is not asked.

    Raises
    ------
    DataError
        It has none of this name, or does not show it to this user.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    if not download or huggingface_hub.constants.HF_HUB_OFFLINE:
        return False
    try:
        huggingface_hub.HfApi().dataset_info(name, revision=options.get("revision"), timeout=_SECONDS)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        _log.debug("the hub has no %s", name, exc_info=True)
        raise DataError(
            f"{huggingface_hub.constants.ENDPOINT} has no data set {name!r} of this name and revision, or does not "
            f"show it without an account. Check the spelling; HF_TOKEN names the account."
        ) from error
    except HfHubHTTPError:  # the library itself says more
        _log.debug("the hub does not say whether it has %s", name, exc_info=True)
    except Exception:  # no network, by whichever client
        _log.debug("the hub cannot be reached", exc_info=True)
        return False
    return True


def _absent(name: str, error: Exception, *, download: bool) -> str:
    import datasets
    import huggingface_hub

    cache = datasets.config.HF_DATASETS_CACHE
    said = " ".join(printable(f"{type(error).__name__}: {error}", 300).split())
    where = (
        f"The data set {name!r} is neither a folder here nor in the cache {cache}, which HF_HOME and HF_DATASETS_CACHE "
        f"set"
    )
    if not download:
        return f"{where}: {said}. Add --robustness-download to fetch it, or name a folder."
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return f"{where}, and HF_HUB_OFFLINE forbids to fetch it: {said}."
    return (
        f"{where}, and could not be fetched from {huggingface_hub.constants.ENDPOINT}: {said}. Check the network; "
        f"HF_ENDPOINT names a mirror, HF_TOKEN an account, HTTPS_PROXY a proxy. Without a network, name a folder."
    )


def _split(spec: str, split: str, known: list[str]) -> str:
    if split in known:
        return split
    names = ", ".join(known)
    if split:
        raise DataError(f"{spec} has no split {split!r}. Its splits: {names}.")
    chosen = next((name for name in _PREFERRED if name in known), known[0] if len(known) == 1 else None)
    if chosen is None:
        raise DataError(f"{spec} has the splits {names}: which is to be judged? Name it: {spec}:{known[0]}.")
    return chosen


@contextlib.contextmanager
def _quietly(*, offline: bool) -> Iterator[None]:
    """Load without progress bars and warnings; where ``offline``, without a network."""
    import datasets
    import huggingface_hub

    places: tuple[Any, Any] = (datasets.config, huggingface_hub.constants)
    states = [module.HF_HUB_OFFLINE for module in places]
    shown = not datasets.are_progress_bars_disabled()
    try:
        datasets.disable_progress_bars()
        with warnings_ignored():
            for module in places:
                module.HF_HUB_OFFLINE = offline or module.HF_HUB_OFFLINE
            yield
    finally:
        for module, before in zip(places, states, strict=True):
            module.HF_HUB_OFFLINE = before
        if shown:
            datasets.enable_progress_bars()
