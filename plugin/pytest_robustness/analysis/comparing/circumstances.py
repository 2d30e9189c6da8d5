"""The circumstances of a run that its answers depend on, and in which of them two runs differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_robustness.analysis.comparing.recorded_run import RecordedRun

_RECORDED: Final = ("precision", "runtime", "device", "python", "platform")
# Seed, labels and outputs have to be the same; what was asked for device and runtime says less than what was used.
_OPTIONS: Final = ("limit", "on_bad_image", "batch_size", "executor", "weights_dir", "clip_templates")
_ABSENT: Final = "none"
_LONGEST: Final = 120


class Difference(NamedTuple):
    """A circumstance in which two runs differ, and what it is in each."""

    name: str
    before: str
    now: str


def circumstances_of(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return how a run was computed by the provenance of its report: precision first, then versions and options."""
    options = {f"--robustness-{name.replace('_', '-')}": _table(provenance, "options").get(name) for name in _OPTIONS}
    recorded = {name: provenance.get(name) for name in _RECORDED}
    found: dict[str, Any] = {**recorded, **_table(provenance, "packages"), **options}
    return {printable(str(name), _LONGEST): _text(value) for name, value in found.items() if value is not None}


def preprocessing_of(provenance: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the preprocessing of each model, as far as the provenance of a report has it."""
    models = _table(provenance, "models")
    set_ups = {name: _table(_table(models, name), "preprocess") for name in models}
    return {
        name: {printable(str(key), _LONGEST): _text(value) for key, value in found.items()}
        for name, found in set_ups.items()
    }


def differences(
    before: RecordedRun, now: RecordedRun, models: Iterable[tuple[str, str]]
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """Return the circumstances in which two runs differ, and a note on each run that records none.

    Parameters
    ----------
    before, now
        The runs.
    models
        A model of the first run and its counterpart in the second, each: their preprocessing is compared.
    """
    silent = [run.name for run in (before, now) if not run.circumstances]
    if silent:
        names = " and ".join(dict.fromkeys(silent))
        unknown = "precision, runtime, device and versions are not recorded, so that nothing says whether they differ."
        return (), (f"{names}: {unknown}",)
    found = _differing(before.circumstances, now.circumstances)
    for old, new in models:
        of = printable(new if old == new else f"{old} → {new}")
        settings = (before.preprocessing.get(old, {}), now.preprocessing.get(new, {}))
        if all(settings):
            found += [one._replace(name=f"{one.name} of {of}") for one in _differing(*settings)]
    return tuple(found), ()


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    pairs = [Difference(name, before.get(name, _ABSENT), now.get(name, _ABSENT)) for name in {**before, **now}]
    return [one for one in pairs if one.before != one.now]


def _table(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    return printable(" ".join(map(str, value)) if isinstance(value, list) else str(value), _LONGEST)
