"""A job whose transform has several variants keeps, of each image, the worst of its answers to them."""

from __future__ import annotations

import dataclasses
import itertools
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.core import CONTROL, ClassMatch, Condition
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.inference.loading.loaded_model import LoadedModel
from pytest_robustness.inference.selection import select
from pytest_robustness.inference.sweep.canary import IMAGES
from pytest_robustness.inference.sweep.scoring import score, worse
from pytest_robustness.models import ModelZoo
from pytest_robustness.transforms import builtin
from pytest_robustness.transforms.random_draws import uniforms
from tests.inference.sweep.test_sweep import (
    AS_IT_IS,
    RESIZED,
    VFLIP,
    WHOLE,
    assert_same,
    image_by_image,
    jobs_of,
    loaded,
    own,
    photos,
    stored,
    sweep,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness.core import Predictions, Selection
    from pytest_robustness.inference.jobs import Job

KNOWN = builtin()
WORST = Condition("worst(rotation+vflip+zoom,k=4)", 3)
SEED, SEVERITY = 3, 2


def by_hand(item: Job, selection: Selection, seed: int = 0) -> Predictions:
    """Ask for every variant on its own, one image at a time, and choose among the answers in plain Python."""
    each = [image_by_image(dataclasses.replace(item, transform=variant), selection, seed) for variant in item.variants]
    rows = []
    for position in range(len(selection.indices)):
        answers = [one.at(np.array([position])) for one in each]
        rows.append(min(range(len(each)), key=lambda k: (answers[k].rank[0] == 0, answers[k].true_probability[0])))
    return type(each[0])(*(np.array([column[k][i] for i, k in enumerate(rows)]) for column in zip(*each, strict=True)))


@given(
    count=st.integers(1, 9),
    batch_size=st.integers(1, 10),
    shard_size=st.integers(1, 10),
    order=st.randoms(use_true_random=False),
    seed=st.integers(0, 3),
)
@settings(deadline=None, max_examples=8)
def test_the_worst_is_that_of_a_loop_whatever_the_batches_the_shards_and_the_order(
    tmp_path_factory, count, batch_size, shard_size, order, seed
):
    folder, selection = tmp_path_factory.mktemp("worst"), photos(count)
    models = [loaded("a", RESIZED), loaded("b", WHOLE, (4, 0, 2)), loaded("c", AS_IT_IS), loaded("d", RESIZED)]
    for model in models:  # so that no two variants are equally certain in single precision
        model.model.module.weight.data *= 0.1
    jobs = jobs_of(models, [CONTROL, WORST, VFLIP], selection, seed)
    expected = {item.cell: by_hand(item, selection, seed) for item in jobs}
    order.shuffle(jobs)
    made, _ = sweep(folder, jobs, selection, batch_size=batch_size, shard_size=shard_size, seed=seed)
    made.run()
    assert made.errors == {}
    for cell, found in stored(folder, jobs, selection).items():
        assert_same(found, expected[cell])


@pytest.fixture(scope="module")
def digits() -> tuple[Selection, LoadedModel]:
    selection = select("digits", limit=6, seed=0, download=False, hashes=FileHashes())
    selection.source.__dict__["bad"] = frozenset()
    model = ModelZoo().load("digits:alexnet")
    return selection, LoadedModel("digits:alexnet", model, ClassMatch("position", tuple(range(10))), 64, True)


def predictions(folder: Path, transform: str, digits: tuple[Selection, LoadedModel]) -> Predictions:
    selection, model = digits
    jobs = jobs_of([model], [Condition(transform, SEVERITY)], selection, SEED)
    sweep(folder, jobs, selection, seed=SEED)[0].run()
    (found,) = stored(folder, jobs, selection).values()
    assert found is not None
    return found


def test_the_worst_of_ten_is_that_of_a_loop_over_torchvisions_operations(tmp_path, digits):
    found = predictions(tmp_path, "worst(rotation+translate,k=10)", digits)
    selection, model = digits
    right, least = [], []
    for position, index in enumerate(selection.indices):
        image = tvf.resize(selection.source.read(int(index)), [16], antialias=True)
        identity, truth = selection.identities[position : position + 1], int(selection.labels[position])
        answers = []
        for draw in KNOWN.get("worst(rotation+translate,k=10)").variants:
            degrees, share = draw.levels(SEVERITY, SEED)
            turn = 1 if uniforms(SEED, f"draw {draw.number} of rotation", identity, 1)[0, 0] >= 0.5 else -1
            signs = np.where(uniforms(SEED, f"draw {draw.number} of translate", identity, 2)[0] >= 0.5, 1, -1)
            turned = tvf.rotate(image, turn * degrees, interpolation=InterpolationMode.BILINEAR)
            moved = tvf.affine(turned, 0.0, (signs * round(share * 16)).tolist(), 1.0, [0.0, 0.0])
            inputs = tvf.normalize(moved / 255, list(model.model.preprocess.mean), list(model.model.preprocess.std))
            with torch.inference_mode():
                shares = model.model.module(inputs[None])[0].double().softmax(0)
            answers.append((int(shares.argmax()) == truth, float(shares[truth])))
        right.append(all(good for good, _ in answers))
        least.append(min(share for good, share in answers if good == right[-1]))
    assert 0 < sum(right) < len(right)
    np.testing.assert_array_equal(found.rank == 0, right)
    np.testing.assert_allclose(np.log(found.true_probability), np.log(least), rtol=2e-3, atol=1e-3)


def test_more_draws_never_help_and_one_is_itself(tmp_path, digits):
    selection, model = digits
    found = [predictions(tmp_path, f"worst(rotation+translate,k={k})", digits) for k in (1, 2, 5, 10, 20)]
    for fewer, more in itertools.pairwise(found):
        assert not ((more.rank == 0) & (fewer.rank != 0)).any()
    assert sum(found[0].rank == 0) > sum(found[-1].rank == 0)
    (item,) = jobs_of([model], [Condition("worst(rotation+translate,k=1)", SEVERITY)], selection, SEED)
    alone = dataclasses.replace(item, transform=item.variants[0], key="the first draw")
    sweep(tmp_path, [alone], selection, seed=SEED)[0].run()
    (expected,) = stored(tmp_path, [alone], selection).values()
    assert_same(found[0], expected)


def test_of_two_answers_the_wrong_one_counts_then_the_less_probable_truth_then_the_first():
    targets = torch.tensor([0, 0, 0, 0, 0, 0])
    first = score(torch.tensor([[3.0, 0], [0, 1], [2, 0], [0, 2], [1, 0], [float("nan"), 1]]), targets)
    second = score(torch.tensor([[0, 0.1], [9, 0], [1, 0], [0, 1], [1, 0], [1, 0]]), targets)
    found = worse(first, second)
    assert found.predicted.tolist()[:5] == [1, 1, 0, 1, 0]
    taken = [second, first, second, first, first]
    for place, one in enumerate(taken):
        assert found.true_probability[place] == one.true_probability[place]
        assert found.confidence[place] == one.confidence[place]
    assert found.finite.tolist() == [True] * 5 + [False]
    assert worse(second, first).finite.tolist() == [True] * 5 + [False]


def varied(item: Job, *variants: object) -> Job:
    return dataclasses.replace(item, transform=SimpleNamespace(variants=variants))


def test_one_variant_is_in_memory_at_a_time(tmp_path):
    selection, alive, largest = photos(8), [], []

    def variant(images, severity, identities, seed):
        largest.append(sum(reference() is not None for reference in alive))
        made = images + 1
        alive.append(weakref.ref(made))
        return made

    jobs = [varied(item, *[variant] * 5) for item in jobs_of([loaded("a", RESIZED)], [VFLIP], selection)]
    sweep(tmp_path, jobs, selection, batch_size=4)[0].run()
    assert largest == [0] * 10


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_logit_that_is_not_finite_under_any_variant_is_an_error(tmp_path, place):
    selection, model = photos(4), loaded("a", WHOLE)
    calls = iter(range(10))
    run = model.model.module.forward
    model.model.module.forward = lambda images: run(images) + (float("inf") if next(calls) == place else 0)
    jobs = [varied(item, *[KNOWN.get("vflip")] * 3) for item in jobs_of([model], [VFLIP], selection)]
    made, _ = sweep(tmp_path, jobs, selection)
    made.run()
    assert list(made.errors.values()) == [
        (
            "a under vflip returned logits that give no answer, first for photos[0]: one is NaN or plus infinity, or "
            "none is finite. Its accuracy would mean nothing."
        )
    ]


def test_out_of_memory_between_two_variants_changes_no_result(tmp_path):
    selection = photos(12)
    jobs = jobs_of([loaded("a", RESIZED), loaded("b", WHOLE)], [CONTROL, WORST], selection)
    expected = {item.cell: by_hand(item, selection) for item in jobs}
    calls = []

    def second(images, severity, identities, seed):
        calls.append(len(images))
        if len(images) > 3:
            raise MemoryError
        return variants[1](images, severity, identities, seed)

    variants = jobs[1].variants
    changed = [varied(item, variants[0], second, *variants[2:]) if item.condition == WORST else item for item in jobs]
    made, notes = sweep(tmp_path, changed, selection, batch_size=12)
    made.run()
    assert made.errors == {}
    assert calls[:3] == [12, 12, 6] or calls[:2] == [12, 6]
    assert "out of memory: going on with batches of 3 images" in notes.notes
    for cell, found in stored(tmp_path, changed, selection).items():
        assert_same(found, expected[cell])


def test_a_variant_that_fails_leaves_the_other_conditions_alone(tmp_path):
    def broken(images, severity, identities, seed):
        raise ValueError("no such luck")

    selection = photos(6)
    jobs = jobs_of([loaded("a", RESIZED)], [CONTROL, VFLIP], selection)
    jobs[1] = varied(jobs[1], KNOWN.get("vflip"), broken, KNOWN.get("vflip"))
    made, _ = sweep(tmp_path, jobs, selection)
    made.run()
    assert list(made.errors) == [jobs[1].cell]
    assert_same(stored(tmp_path, jobs, selection)[jobs[0].cell], image_by_image(jobs[0], selection))


def test_a_runtime_is_chosen_for_all_variants(tmp_path):
    selection, seen = photos(5), []
    jobs = jobs_of([loaded("a", RESIZED)], [CONTROL, WORST], selection)

    def prepare(name, model, workload):
        seen.append(workload.passes)
        return SimpleNamespace(run=lambda images: model.module(images.clone()), engine=("eager", "fp32", ""))

    sweep(tmp_path, jobs, selection, prepare=prepare)[0].run()
    assert seen == [5 * (1 + 4)]


def test_stored_worst_answers_are_checked_on_all_variants(tmp_path):
    selection = photos(40)
    jobs = jobs_of([own("a")], [CONTROL, WORST], selection)
    sweep(tmp_path, jobs, selection)[0].run()
    batches = jobs[0].loaded.model.module.batches
    batches.clear()
    made, notes = sweep(tmp_path, jobs, selection)
    made.run()
    assert (made.warnings, notes.notes, batches) == ([], [], [IMAGES] * 5)
    after = jobs_of([own("a", seed=99)], [CONTROL, WORST], selection)
    made, _ = sweep(tmp_path, after, selection)
    made.run()
    (warning,) = made.warnings
    assert f"(control, {WORST})" in warning
    for item in after:
        assert_same(stored(tmp_path, after, selection)[item.cell], by_hand(item, selection))
