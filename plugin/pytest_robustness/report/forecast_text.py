"""A forecast as text for the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_robustness.analysis.images_needed import ASSUMED_CHANGED, assumed_needed
from pytest_robustness.analysis.statistics.paired_change import rounded_up
from pytest_robustness.core.naming import condition_text
from pytest_robustness.core.text import counted, grouped, printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_robustness.analysis.images_needed import Needed
    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.inference.forecast.forecast import Forecast

_MOST_ROWS = 12


def lines(
    forecast: Forecast, started: float, policy: TestPolicy, needed: Sequence[Needed], studies: Sequence[str]
) -> list[str]:
    """Return the lines that ``--robustness-plan`` prints.

    Parameters
    ----------
    forecast
        What the run would do.
    started
        Seconds from the start of pytest until the forecast began, which the run takes as well.
    policy
        Has the margin.
    needed
        What stored answers show of the images that the margin needs.
    studies
        The names of studies that tests ask.
    """
    return [
        *_subject(forecast),
        *_means(forecast),
        *(_time(forecast, started) if forecast.lacking.shards else ["nothing to compute: the store has it all"]),
        *_margin(forecast, policy, needed),
        *_additions(studies),
        *(f"cannot be computed: {line}" for line in _errors(forecast)),
    ]


def _subject(forecast: Forecast) -> Iterator[str]:
    lacking, cells = forecast.lacking, forecast.cells
    models = dict.fromkeys(printable(cell.model) for cell in cells)
    conditions = dict.fromkeys(condition_text(cell.condition) for cell in cells)
    yield f"{counted(len(models), 'model')}: {', '.join(models)}"
    yield f"{counted(len(conditions), 'condition')}: {', '.join(conditions)}"
    yield (
        f"{counted(len(cells), 'cell')} on {counted(forecast.images, 'image')}: "
        f"{counted(forecast.stored, 'prediction')} stored, {grouped(lacking.all_predictions)} missing"
    )
    passes = sum(lacking.passes.values())
    yield (
        f"{counted(passes, 'pass', 'passes')} of models, {counted(lacking.images, 'image')} to decode, "
        f"{counted(sum(lacking.groups.values()), 'image')} to transform"
    )
    after = forecast.store_bytes + lacking.stored_bytes
    yield f"store: {_bytes(forecast.store_bytes)} now, about {_bytes(after)} after the run"


def _means(forecast: Forecast) -> Iterator[str]:
    resources = forecast.resources
    used = Counter(forecast.engines.values())
    engines = ", ".join(engine for engine, _ in used.most_common())
    runtime = f"runtime {forecast.runtime}" + (f" ({engines})" if engines else "")
    processes = counted(resources.processes, "process", "processes")
    workers = f" and {counted(resources.workers, 'decoding process', 'decoding processes')}" * bool(resources.workers)
    each = " each" if resources.processes > 1 else ""
    yield f"computed on {forecast.device} in {forecast.precision}, {runtime}, executor {forecast.executor}"
    yield f"{processes} with {counted(resources.cores, 'core')}{workers}{each}"


def _time(forecast: Forecast, started: float) -> Iterator[str]:
    times = forecast.seconds
    stages = ", ".join(f"{name} {_seconds(value)}" for name, value in times._asdict().items())
    yield f"time to compute: about {_seconds(times.total + forecast.loading)}"
    yield f"  loading models {_seconds(forecast.loading)}, {stages}"
    yield f"  before that, starting and opening the data took {_seconds(started)}; judging and reports come after it"
    if forecast.executor != "local":
        yield f"  timed in this process alone: with {forecast.executor}, divide by what the cluster has more"
    yield from _rates(forecast)


def _rates(forecast: Forecast) -> Iterator[str]:
    rates = forecast.rates
    if rates is None:
        return
    decoding = 1000 * rates.decoding.image
    yield f"  timed first batches: decoding {decoding:.2f} ms an image; of each model"
    slowest = sorted(forecast.lacking.passes, key=lambda name: -_whole(forecast, name))
    for name in slowest[:_MOST_ROWS]:
        if name in rates.models:
            rate = rates.models[name]
            passes = counted(forecast.lacking.passes[name], "pass", "passes")
            yield f"    {printable(name)}: {1000 * rate.image:.2f} ms a pass, {passes}; {rate.once:.1f} s to prepare"
    if len(slowest) > _MOST_ROWS:
        yield f"    and {len(slowest) - _MOST_ROWS} quicker ones"


def _whole(forecast: Forecast, name: str) -> float:
    rates = forecast.rates
    return (
        0.0 if rates is None or name not in rates.models else rates.models[name].seconds(forecast.lacking.passes[name])
    )


def _margin(forecast: Forecast, policy: TestPolicy, needed: Sequence[Needed]) -> Iterator[str]:
    unit = "point" if policy.margin == 1 else "points"
    of_margin = f"a margin of {policy.margin:g} {unit}"
    if needed:
        short = sorted((one for one in needed if not one.needed <= one.images), key=lambda one: -one.needed)
        yield f"{of_margin} by stored answers: {len(needed) - len(short)} of {len(needed)} pairs are decided"
        for one in short[:_MOST_ROWS]:
            name, share = f"{printable(one.model)} under {condition_text(one.condition)}", 100 * one.share
            yield f"  {name}: {_about(one.needed)} needed, {grouped(one.images)} there ({share:.0f} % change)"
        if len(short) > _MOST_ROWS:
            yield f"  and {len(short) - _MOST_ROWS} that need fewer"
    if forecast.lacking.shards:
        assumed = (
            f"{_about(assumed_needed(share, policy))} where {100 * share:.0f} % change" for share in ASSUMED_CHANGED
        )
        yield f"{of_margin} needs images: {', '.join(assumed)}; there are {grouped(forecast.images)}"
        yield "  assumed: accuracy stays the same, as many images are lost as gained, and classes have equally many"


def _additions(studies: Sequence[str]) -> Iterator[str]:
    if studies:
        yield f"not counted: what studies probe as they go ({', '.join(studies)})"


def _errors(forecast: Forecast) -> list[str]:
    """Return each error once, with the models that it concerns."""
    cells: dict[str, list[str]] = {}
    for cell, text in forecast.errors.items():
        cells.setdefault(printable_lines(text), []).append(printable(cell.model))
    return [f"{', '.join(dict.fromkeys(models))}: {text}" for text, models in cells.items()]


def _about(images: float) -> str:
    """Return a number of images to two digits, rounded up."""
    needed = rounded_up(images)
    return "more than is practical" if needed is None else grouped(needed)


def _bytes(size: int) -> str:
    """Return a size with a unit that leaves one to three digits before the point."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000  # type: ignore[assignment]
    return f"{size:.2f} GB"


def _seconds(value: float) -> str:
    """Return a time: seconds, then minutes, then hours.

    Examples
    --------
    >>> _seconds(3.14159), _seconds(600), _seconds(36000)
    ('3.1 s', '10.0 min', '10.0 h')
    """
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"
