"""The arithmetic of a forecast agrees with going through the work image by image."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_robustness.core import CONTROL, Canvas, Cell, Condition
from pytest_robustness.inference.forecast.forecast import Group, Lacking, Rate, Rates, Resources, seconds

CANVASES = (Canvas(8, 8, "bilinear", True), Canvas(16, 8, "bilinear", True))
CONDITIONS = (CONTROL, Condition("vflip"), Condition("rotation", 3))
MODELS = {"ann": CANVASES[0], "bob": CANVASES[0], "eve": CANVASES[1]}
RATES = Rates(
    decoding=Rate(2.0, 0.5),
    groups={Group(*both): Rate(0.25, 0.125 * i) for i, both in enumerate(product(CANVASES, CONDITIONS), 1)},
    models={"ann": Rate(3.0, 1.0), "bob": Rate(4.0, 2.0), "eve": Rate(5.0, 4.0)},
    row=0.75,
)
SHARD = 4


def divided(images):
    return [list(range(start, min(start + SHARD, images))) for start in range(0, images, SHARD)]


def by_hand(lacks, processes):
    """Go through the shards as a process does that takes every ``processes``-th of them; return the slowest's time."""
    cells = list(product(MODELS, CONDITIONS))
    shards = [shard for shard in divided(lacks.shape[1]) if lacks[:, shard].any()]
    if not shards:
        return 0.0
    full = max(range(processes), key=lambda process: len(shards[process::processes]))
    spent = []
    for process in range(processes):
        time = 0.0
        for shard in shards[process::processes]:
            for cell, name in zip(lacks, cells, strict=True):
                time += RATES.row * any(cell[i] for i in shard)
                time += sum(RATES.models[name[0]].image for i in shard if cell[i])
            for i in shard:
                lacking = [name for cell, name in zip(lacks, cells, strict=True) if cell[i]]
                time += 0.5 * bool(lacking)
                time += sum(RATES.groups[group].image for group in {Group(MODELS[m], c) for m, c in lacking})
        spent.append(time)
    lacking = [name for cell, name in zip(lacks, cells, strict=True) if cell.any()]
    once = 2.0 + sum(RATES.models[name].once for name in {m for m, _ in lacking})
    once += sum(RATES.groups[group].once for group in {Group(MODELS[m], c) for m, c in lacking})
    return once + spent[full]


def counted(lacks):
    cells = [Cell(model, condition) for model, condition in product(MODELS, CONDITIONS)]
    shards = divided(lacks.shape[1])
    groups = {}
    for cell, row in zip(cells, lacks, strict=True):
        group = Group(MODELS[cell.model], cell.condition)
        groups[group] = groups.get(group, np.zeros(lacks.shape[1], bool)) | row
    return Lacking(
        images=int(lacks.any(axis=0).sum()),
        shards=sum(bool(lacks[:, shard].any()) for shard in shards),
        rows=sum(int(lacks[:, shard].any(axis=1).sum()) for shard in shards),
        groups={group: int(row.sum()) for group, row in groups.items() if row.any()},
        predictions={cell: int(row.sum()) for cell, row in zip(cells, lacks, strict=True) if row.any()},
        passes={model: count for model in MODELS if (count := passes_of(model, cells, lacks))},
    )


def passes_of(model, cells, lacks):
    return sum(int(row.sum()) for cell, row in zip(cells, lacks, strict=True) if cell.model == model)


@given(data=st.data(), images=st.integers(1, 19))
def test_one_process_takes_what_the_work_adds_up_to(data, images):
    lacks = data.draw(hnp.arrays(bool, (9, images)))
    lacking = counted(lacks)
    assert seconds(lacking, RATES, Resources()).total == pytest.approx(by_hand(lacks, 1))
    assert lacking.all_predictions == lacks.sum()


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_several_processes_divide_whole_shards_and_each_prepares(processes, shards):
    lacks = np.ones((9, SHARD * shards), bool)
    found = seconds(counted(lacks), RATES, Resources(processes=processes))
    assert found.total == pytest.approx(by_hand(lacks, processes))


def test_decoding_beside_the_models_takes_a_share_of_the_cores_or_what_a_gpu_has_to_wait():
    lacking = counted(np.ones((9, 8), bool))
    alone = seconds(lacking, RATES, Resources())
    shared = seconds(lacking, RATES, Resources(cores=4, workers=2))
    assert shared.decoding == alone.decoding / 4
    assert seconds(lacking, RATES, Resources(cores=4, workers=2, device="cuda")).decoding == 0
    slow = Rates(Rate(0.0, 100.0), RATES.groups, RATES.models, RATES.row)
    waiting = seconds(lacking, slow, Resources(cores=4, workers=2, device="cuda"))
    assert waiting.decoding + waiting.models + waiting.transforming == pytest.approx(100 * 8 / 2)


def test_nothing_missing_takes_no_time_and_no_bytes():
    assert seconds(Lacking(), RATES, Resources()).total == 0
    assert Lacking().stored_bytes == 0
    assert math.isclose(seconds(counted(np.zeros((9, 8), bool)), RATES, Resources()).total, 0)
