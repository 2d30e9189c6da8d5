"""Read ``augmentations.yaml``, and say where it is not valid."""

from __future__ import annotations

import functools
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.extras import pip_install
from pytest_robustness.core.files import read_regular
from pytest_robustness.core.text import printable, quoted
from pytest_robustness.transforms.augmentations import (
    FORMAT,
    Augmentation,
    AugmentationPolicy,
    ClassAugmentations,
    LeftOut,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

# Probabilities are written with few digits, so that their sum may exceed 1 by a rounding.
_ROUNDING: Final = 1e-6
_MOST_BYTES: Final = 64 << 20
# More than any classifier has; a table of this many rows is made.
_MOST_CLASSES: Final = 1_000_000
_LONGEST_KEY: Final = 100
_log = logging.getLogger(__name__)


def read_augmentations(path: str | os.PathLike[str]) -> AugmentationPolicy:
    """Read an augmentation policy from a file that `yaml_text` wrote, changed by hand or not.

    Which transforms there are, and which magnitudes they take, is checked where the policy is used.

    Raises
    ------
    OptionError
        There is no such file, it is not YAML, or an entry is missing, unknown or not valid; or PyYAML is not installed.
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise OptionError(
            f"Reading augmentations needs PyYAML, which is not installed: {pip_install('augment')}"
        ) from error
    try:
        content = yaml.load(read_regular(Path(path), _MOST_BYTES).decode("utf-8"), _loader())  # noqa: S506 (a safe one)
    except OSError as error:
        _log.debug("%s cannot be read", path, exc_info=True)
        raise OptionError(
            f"{path}: {error.strerror or error}. A run with --robustness-studies=augmentation writes the file into its "
            f"report folder."
        ) from error
    except RecursionError as error:
        raise OptionError(
            f"{path} is nested too deeply to be read. Valid: what a run writes, changed or not."
        ) from error
    except Exception as error:  # PyYAML makes values by their tags without looking: it raises errors of many types
        _log.debug("%s is not YAML", path, exc_info=True)
        said = " ".join(str(error).split()) or type(error).__name__
        raise OptionError(f"{path} is not YAML: {printable(said)}.") from error
    return _Reader(path).policy(content)


@functools.cache
def _loader() -> Any:
    """Return the class of loaders that refuse what PyYAML's safe one takes: a name that stands for a part, a key twice.

    A few names that stand for names make gigabytes of a line, and of a key that is there twice the last one counts.
    """
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                event = self.peek_event()
                raise yaml.composer.ComposerError(
                    None, None, f"found the alias {event.anchor!r}: write out what it stands for", event.start_mark
                )
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[tuple[str, str]] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"found the key {key.value!r} twice", key.start_mark
                    )
                seen.add((key.tag, str(key.value)))
            return super().construct_mapping(node, deep)

    return Loader


class _Reader:
    """Turns the content of one file into a policy; ``where`` in its methods is the place in the file, for errors."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path

    def policy(self, content: object) -> AugmentationPolicy:
        top = self._mapping("", content, required=("version", "class_count", "classes"), optional=("left_out",))
        if top["version"] != FORMAT:
            self._fail("version", top["version"], f"{FORMAT}; write the file again with this version of the package")
        count = self._whole("class_count", top["class_count"], least=1, most=_MOST_CLASSES)
        classes = tuple(self._class(where, item, count) for where, item in self._items("classes", top["classes"]))
        seen: set[int] = set()
        for number, of_class in enumerate(classes):
            if of_class.index in seen:
                self._fail(f"classes[{number}].index", of_class.index, "each class once")
            seen.add(of_class.index)
        left_out = (self._left_out(*item, count) for item in self._items("left_out", top.get("left_out", [])))
        return AugmentationPolicy(count, classes, tuple(left_out))

    def _class(self, where: str, item: object, count: int) -> ClassAugmentations:
        entry = self._mapping(where, item, required=("index", "name", "augmentations"))
        index = self._whole(f"{where}.index", entry["index"], most=count - 1)
        listed = self._items(f"{where}.augmentations", entry["augmentations"])
        augmentations = tuple(self._augmentation(*pair) for pair in listed)
        total = math.fsum(augmentation.probability for augmentation in augmentations)
        if total > 1 + _ROUNDING:
            self._fail(f"The probabilities of {where}", round(total, 6), "1 at most, together")
        return ClassAugmentations(index, self._text(f"{where}.name", entry["name"]), augmentations)

    def _augmentation(self, where: str, item: object) -> Augmentation:
        entry = self._mapping(where, item, required=("transform", "probability"), optional=("range", "change"))
        probability = self._number(f"{where}.probability", entry["probability"])
        if not 0 < probability <= 1:
            self._fail(f"{where}.probability", probability, "a number above 0, up to 1")
        magnitudes = None
        if entry.get("range") is not None:
            low, high = self._pair(f"{where}.range", entry["range"])
            magnitudes = (low, high)
        change = entry.get("change")
        return Augmentation(
            transform=self._text(f"{where}.transform", entry["transform"]),
            probability=probability,
            magnitudes=magnitudes,
            change=None if change is None else self._number(f"{where}.change", change),
        )

    def _left_out(self, where: str, item: object, count: int) -> LeftOut:
        entry = self._mapping(where, item, required=("index", "name", "transform", "becomes", "share"))
        return LeftOut(
            index=self._whole(f"{where}.index", entry["index"], most=count - 1),
            name=self._text(f"{where}.name", entry["name"]),
            transform=self._text(f"{where}.transform", entry["transform"]),
            becomes=self._text(f"{where}.becomes", entry["becomes"]),
            share=self._number(f"{where}.share", entry["share"]),
        )

    def _mapping(
        self, where: str, item: object, *, required: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        if not isinstance(item, dict):
            self._fail(where or "The file", item, f"entries {', '.join((*required, *optional))}")
        prefix = f"{where}." if where else ""
        for key in required:
            if key not in item:
                self._fail(f"{prefix}{key}", None, "it must be there")
        for key in item:
            if key not in (*required, *optional):
                shown = printable(key, _LONGEST_KEY) if isinstance(key, str) else quoted(key, _LONGEST_KEY)
                self._fail(
                    f"{prefix}{shown}", item[key], f"no such entry; known are {', '.join((*required, *optional))}"
                )
        return item

    def _items(self, where: str, items: object) -> Iterable[tuple[str, object]]:
        if not isinstance(items, list):
            self._fail(where, items, "a list")
        return [(f"{where}[{number}]", item) for number, item in enumerate(items)]

    def _pair(self, where: str, item: object) -> tuple[float, float]:
        if not isinstance(item, list) or len(item) != 2:
            self._fail(where, item, "two numbers, such as [0, 30]")
        return self._number(f"{where}[0]", item[0]), self._number(f"{where}[1]", item[1])

    def _text(self, where: str, item: object) -> str:
        if not isinstance(item, str):
            self._fail(where, item, 'text; put it into quotes, as in "6"')
        return item

    def _whole(self, where: str, item: object, *, least: int = 0, most: int | None = None) -> int:
        valid = isinstance(item, int) and not isinstance(item, bool)
        if not valid or item < least or (most is not None and item > most):  # type: ignore[operator]
            self._fail(where, item, f"a whole number from {least}" + ("" if most is None else f" to {most}"))
        return int(item)  # type: ignore[call-overload, no-any-return]

    def _number(self, where: str, item: object) -> float:
        try:
            number = float(item) if isinstance(item, int | float) and not isinstance(item, bool) else math.nan
        except OverflowError:  # of a whole number with hundreds of digits
            _log.debug("%s is too large", where, exc_info=True)
            number = math.inf
        if not math.isfinite(number):
            self._fail(where, item, "a finite number")
        return number

    def _fail(self, where: str, value: object, valid: str) -> NoReturn:
        said = "is missing" if value is None else f"is {quoted(value)}"
        raise OptionError(f"{self._path}: {where} {said}. Valid: {valid}.")
