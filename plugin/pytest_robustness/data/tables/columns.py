"""Find the columns of a table that hold the images and their labels: Parquet files, data sets of Hugging Face."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core.errors import DataError
from pytest_robustness.data.files.class_folders import shortened
from pytest_robustness.data.files.sample_labels import (
    as_number,
    by_name,
    by_number,
    key_within,
    require_distinct,
    require_no_captions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from pytest_robustness.data.files.sample_labels import Labelled

_log = logging.getLogger(__name__)

_IMAGE_NAMES: Final = ("image", "img", "picture", "photo", "jpg", "png", "webp")
_LABEL_NAMES: Final = ("label", "labels", "cls", "class", "target", "category", "class_name", "y")


class Columns(NamedTuple):
    """The columns of a table: ``nested`` says that an image is a struct of ``bytes`` and ``path``.

    ``names`` are the names of the classes where the schema has them, ``others`` the other columns that hold images.
    """

    image: str
    nested: bool
    has_path: bool
    label: str | None
    names: tuple[str, ...] | None
    others: tuple[str, ...] = ()

    def note(self, where: str) -> tuple[str, ...]:
        """Return which of several columns of ``where`` has the images, in a sentence; nothing where there is one."""
        if not self.others:
            return ()
        return (
            f"{where}: the images are in the column {self.image!r}. Others hold images too: {_listed(self.others)}.",
        )


def columns_of(schema: pa.Schema, wanted: Mapping[str, str], where: str, spelling: str, *, labelled: bool) -> Columns:
    """Return the columns of images and labels.

    Parameters
    ----------
    schema
        The schema of the table, with the features that Hugging Face keeps in its metadata.
    wanted
        The columns that the user named: ``image``, ``label``.
    where
        The table, for messages.
    spelling
        The spec without its options, for messages: how to name a column.
    labelled
        Whether a column of labels is needed.

    Raises
    ------
    DataError
        A named column does not exist, or none or several could be meant.
    """
    features = _features(schema)
    missing = [name for name in wanted.values() if name not in schema.names]
    if missing:
        raise DataError(f"{where} has no column {missing[0]!r}. Its columns: {shortened(schema.names)}.")
    images = [field.name for field in schema if _is_image(field.type)]
    declared = [name for name in images if features.get(name, {}).get("_type") == "Image"]
    image = wanted.get("image") or _choice("image", declared or images, _IMAGE_NAMES, schema, where, spelling)
    if image not in images:
        raise DataError(
            f"The column {image!r} of {where} holds no encoded images but {schema.field(image).type}. Valid: "
            f"{_VALID['image']}. Columns of images: {shortened(images) or 'none'}."
        )
    kind = schema.field(image).type
    parts = {kind.field(i).name for i in range(kind.num_fields)}
    label = wanted.get("label")
    if labelled and label is None:
        classes = [name for name, feature in features.items() if feature.get("_type") == "ClassLabel"]
        plain = [field.name for field in schema if _may_be_label(field) and field.name != image]
        label = _choice("label", classes or plain, _LABEL_NAMES, schema, where, spelling)
    names = class_names(schema, label) if label else None
    others = tuple(name for name in images if name != image)
    return Columns(image, bool(parts), "path" in parts, label if labelled else None, names, others)


def class_names(schema: pa.Schema, label: str) -> tuple[str, ...] | None:
    """Return the names of the classes in the column ``label``; ``None`` where the schema has none."""
    feature = _features(schema).get(label, {})
    names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
    return tuple(names) if names else None


def labels_of(columns: Columns, values: pa.ChunkedArray, where: str, describe: Callable[[int], str]) -> Labelled:
    """Return the labels of a table's rows.

    Raises
    ------
    DataError
        A row has no label, or labels are neither whole numbers nor names.
    """
    import pyarrow as pa

    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not _is_label(kind):
        raise DataError(
            f"The column {columns.label!r} of {where} holds {values.type}. Valid labels: {_VALID['label']}."
        )
    if values.null_count:
        first = values.is_null().to_pylist().index(True)
        raise DataError(
            f"{describe(first)} has no label, one of {values.null_count} of {where}. Images without labels are judged "
            f"with --robustness-labels=none."
        )
    found = values.to_pylist()
    note = f"{where}: the class of an image is in the column {columns.label!r}."
    if pa.types.is_integer(kind):
        if columns.names:
            require_distinct(columns.names, where)
        labelled = by_number(where, found, columns.names, describe)
        return labelled._replace(notes=(note, *labelled.notes))
    numbers = [as_number(text) for text in found]
    if all(number is not None for number in numbers):
        labelled = by_number(where, [number or 0 for number in numbers], None, describe)
        return labelled._replace(notes=(note, *labelled.notes))
    require_no_captions(found, where, f"the column {columns.label!r}")
    return by_name(found)._replace(notes=(note,))


def keys_of(paths: Sequence[str | None], labelled: Labelled | None) -> list[str]:
    """Return the key of each row: its file's path below the folder of its class, or its number where it has none."""
    if labelled is None:
        return [key_within(path, None) if path else str(row) for row, path in enumerate(paths)]
    labels = labelled.labels.tolist()
    return [key_within(path, labelled.classes[labels[row]]) if path else str(row) for row, path in enumerate(paths)]


def _features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Return what Hugging Face says of each column, in the metadata of the schema."""
    text = (schema.metadata or {}).get(b"huggingface")
    if not text:
        return {}
    try:
        found = json.loads(text)["info"]["features"]
        return {name: feature for name, feature in found.items() if isinstance(feature, dict) and name in schema.names}
    except (ValueError, KeyError, TypeError, AttributeError):
        _log.debug("the metadata has no features: %.200r", text, exc_info=True)
        return {}


def _is_image(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        parts = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
        return "bytes" in parts and _is_binary(parts["bytes"])
    return _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_label(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _may_be_label(field: pa.Field) -> bool:
    """Return whether a column may hold labels; numbers that need not be whole only where it is called so."""
    import pyarrow as pa

    return _is_label(field.type) or (pa.types.is_floating(field.type) and field.name.lower() in _LABEL_NAMES)


def _listed(names: Sequence[str]) -> str:
    return shortened([repr(name) for name in names])


def _choice(
    what: str, candidates: Sequence[str], usual: Sequence[str], schema: pa.Schema, where: str, spelling: str
) -> str:
    """Return the one candidate that is meant; no column with a usual name gives way to another in silence."""
    chosen = _obvious(candidates, usual)
    if not candidates:
        raise DataError(
            f"{where} has no column of {what}s. Its columns: {', '.join(f'{f.name} ({f.type})' for f in schema)}."
        )
    passed = [field for field in schema if field.name.lower() in usual and field.name != chosen]
    if chosen is not None and (chosen.lower() == usual[0] or not passed):
        return chosen
    kinds = {field.name: field.type for field in passed if not _READS[what](field.type)}
    if chosen is not None and kinds:
        name, kind = next(iter(kinds.items()))
        raise DataError(
            f"The column {name!r} of {where} holds {kind}. Valid {what}s: {_VALID[what]}. If the {what}s are in "
            f"{chosen!r}, name it: {spelling}#{what}={chosen}."
        )
    several = list(dict.fromkeys([*candidates, *(field.name for field in passed)]))
    raise DataError(
        f"{where} has several columns that may hold the {what}s: {shortened(several)}. Name one: "
        f"{spelling}#{what}={several[0]}."
    )


def _obvious(candidates: Sequence[str], usual: Sequence[str]) -> str | None:
    """Return the only candidate, else the only one with a usual name, else the one with the most usual name."""
    if len(candidates) == 1:
        return candidates[0]
    named = [name for name in candidates if name.lower() in usual]
    for best in (named, [name for name in named if name == usual[0]]):
        if len(best) == 1:
            return best[0]
    return None


_READS: Final[Mapping[str, Callable[[pa.DataType], bool]]] = {"image": _is_image, "label": _is_label}
_VALID: Final = {"image": "binary, or a struct with bytes", "label": "whole numbers, or the names of classes"}
