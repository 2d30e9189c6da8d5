"""What the comparison of two runs says is what a loop over the images, scipy and statsmodels say."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from pytest_robustness.analysis.comparing import compare_runs, read
from pytest_robustness.analysis.comparing.recorded_run import RecordedRun
from pytest_robustness.analysis.predictions import Counts
from pytest_robustness.analysis.statistics.two_samples import fisher, newcombe
from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.core.errors import ComparisonError
from pytest_robustness.report.comparison.tables import class_rows
from pytest_robustness.report.comparison.words import verdict
from tests.recorded import CONDITIONS, VFLIP, ZOOM, drawn, identities, planted, put_report, recorded

CLASSES = ("ant", "bee", "cat", "dog", "elk")
IMAGES = 400
LABELS = np.random.default_rng(1).integers(0, len(CLASSES), IMAGES)
NOW = {CONTROL: 0.9, VFLIP: 0.5, ZOOM: 0.88}


def answers(seed, shares=NOW, *, unreadable=0):
    rng = np.random.default_rng(seed)
    found = {condition: drawn(rng, LABELS, len(CLASSES), share) for condition, share in shares.items()}
    for given in found.values():
        given[rng.permutation(IMAGES)[:unreadable]] = -1
    return found


@pytest.fixture
def runs(tmp_path):
    """Return what writes two runs and compares them."""

    def compare(before, now, **options):
        first, second = (put_report(run, tmp_path / name) for run, name in ((before, "a"), (now, "b")))
        return compare_runs(read(first), read(second), **options)

    return compare


def loop(before, now, chosen=None):
    """Count by a loop over the images: unchanged, harmful, beneficial, other wrong."""
    counts = [0, 0, 0, 0]
    for i in range(IMAGES):
        if before[i] < 0 or now[i] < 0 or (chosen is not None and LABELS[i] != chosen):
            continue
        was, is_now = before[i] == LABELS[i], now[i] == LABELS[i]
        if was and not is_now:
            counts[1] += 1
        elif is_now and not was:
            counts[2] += 1
        elif not was and before[i] != now[i]:
            counts[3] += 1
        else:
            counts[0] += 1
    return counts


def test_churn_is_what_a_loop_over_the_images_counts(runs):
    before = {"net": answers(2, unreadable=9), "other": answers(3)}
    now = {"net": answers(4, unreadable=5), "other": answers(5)}
    found = runs(recorded(before, LABELS, CLASSES), recorded(now, LABELS, CLASSES))
    assert len(found.cells) == 6
    for cell in found.cells:
        pair = before[cell.model][cell.condition], now[cell.model][cell.condition]
        counts = loop(*pair)
        churn = cell.churn
        assert [churn.unchanged, churn.harmful, churn.beneficial, churn.other_wrong] == counts
        assert churn.n == sum(counts)
        for index in range(len(CLASSES)):
            unchanged, *changed = loop(*pair, index)
            assert cell.classes.churn[:, index].tolist() == [unchanged + sum(changed), *changed]


def test_the_tests_are_mcnemars_corrected_by_holm_over_all_comparisons_and_over_all_classes(runs):
    before, now = {"net": answers(2), "other": answers(3)}, {"net": answers(4), "other": answers(5, {**NOW, ZOOM: 0.7})}
    found = runs(recorded(before, LABELS, CLASSES), recorded(now, LABELS, CLASSES))
    overall, by_class = [], []
    for cell in found.cells:
        pair = before[cell.model][cell.condition], now[cell.model][cell.condition]
        for chosen in (None, *range(len(CLASSES))):
            _, lost, gained, _ = loop(*pair, chosen)
            p = mcnemar([[0, lost], [gained, 0]], exact=True).pvalue
            (overall if chosen is None else by_class).append(p)
    adjusted, adjusted_classes = (multipletests(p, method="holm")[1] for p in (overall, by_class))
    np.testing.assert_allclose([cell.p_adjusted for cell in found.cells], adjusted, rtol=1e-9)
    np.testing.assert_allclose(np.concatenate([c.classes.p_adjusted for c in found.cells]), adjusted_classes, rtol=1e-9)
    fallen = next(cell for cell in found.cells if (cell.model, cell.condition) == ("other", ZOOM))
    assert fallen.worse
    assert found.worse
    assert [cell.worse for cell in found.cells].count(True) == 1


@pytest.mark.parametrize("share", [0.005, 0.02])
def test_planted_wrong_answers_that_are_wrong_in_another_way_are_counted_exactly(runs, share):
    rng = np.random.default_rng(7)
    before = {"net": answers(2)}
    now = {"net": {c: planted(rng, given, LABELS, len(CLASSES), share) for c, given in before["net"].items()}}
    found = runs(recorded(before, LABELS, CLASSES), recorded(now, LABELS, CLASSES))
    for cell in found.cells:
        assert cell.churn == (IMAGES, 0, 0, round(share * IMAGES))
        assert cell.difference == 0
        assert cell.p_adjusted == 1
    assert not found.worse


def test_without_answers_counts_are_compared_by_newcombe_and_fisher(tmp_path):
    before, now = recorded({"net": answers(2)}, LABELS, CLASSES), recorded({"net": answers(3)}, LABELS, CLASSES)
    first, second = put_report(before, tmp_path / "a", answers=False), put_report(now, tmp_path / "b")
    found = compare_runs(read(first), read(second))
    assert found.shared is None
    p = []
    for cell in found.cells:
        right = [int((run.models["net"].answers[cell.condition] == LABELS).sum()) for run in (before, now)]
        low, high = confint_proportions_2indep(right[1], IMAGES, right[0], IMAGES, method="newcomb")
        np.testing.assert_allclose([cell.overall.low[0], cell.overall.high[0]], [100 * low, 100 * high], atol=1e-9)
        table = [[right[1], IMAGES - right[1]], [right[0], IMAGES - right[0]]]
        p.append(min(1, 2 * min(stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater"))))
        assert cell.churn is None
        assert cell.classes.n_now.sum() == IMAGES
    np.testing.assert_allclose([cell.overall.p_value[0] for cell in found.cells], p, rtol=1e-9)
    text = " ".join(found.notes)
    assert "answers.npz is not there" in text
    assert "Pairs are missing" in text
    assert "Both runs have the same images." in text


def test_no_images_on_a_side_have_no_figures():
    none, some = np.array([0]), np.array([5])
    assert np.isnan(fisher(none, none, some, some)).all()
    assert np.isnan(newcombe(none, none, some, some)).all()


def test_images_are_matched_by_content_whatever_their_order_and_outputs_by_class(runs):
    rng = np.random.default_rng(9)
    order = rng.permutation(IMAGES)[:300]
    given = answers(2)
    # The second run has 300 of the images in another order, and its model numbers its outputs otherwise.
    shuffled = np.array([7, 3, 9, 1, 5])
    again = {condition: shuffled[found[order]].astype(np.int32) for condition, found in given.items()}
    found = runs(
        recorded({"net": given}, LABELS, CLASSES),
        recorded({"net": again}, LABELS[order], CLASSES, outputs={"net": shuffled}, images=identities(IMAGES)[order]),
    )
    assert found.shared == (300, 100, 0)
    assert all(cell.churn == (300, 0, 0, 0) for cell in found.cells)
    assert found.notes[:1] == (
        "Compared on the 300 images that both have; 100 only in the first run, 0 only in the second.",
    )


@pytest.mark.parametrize(
    ("shared", "named"),
    [(0, True), (1, True), (5, True), (30, False), (None, False)],
    ids=["none", "one", "few", "many", "all"],
)
def test_classes_of_which_too_few_images_are_in_both_runs_are_named(runs, shared, named):
    # The files of class cat were saved anew, but for some.
    cats = np.flatnonzero(np.equal(LABELS, CLASSES.index("cat")))
    images = identities(IMAGES)
    anew = cats[:0] if shared is None else cats[shared:]
    images[anew] = identities(len(anew), start=IMAGES)
    found = runs(
        recorded({"net": answers(2)}, LABELS, CLASSES), recorded({"net": answers(3)}, LABELS, CLASSES, images=images)
    )
    notes = [note for note in found.notes if "too few to show a change" in note]
    text = f"cat ({shared} of {len(cats)} images). The result says nothing of it."
    assert [note.partition(": ")[2] for note in notes] == [text] * named


def test_a_class_that_the_first_run_has_no_image_of_is_named(runs):
    kept = np.flatnonzero(np.not_equal(LABELS, CLASSES.index("elk")))
    given = {condition: found[kept] for condition, found in answers(2).items()}
    first = recorded({"net": given}, LABELS[kept], CLASSES, images=identities(IMAGES)[kept])
    notes = runs(first, recorded({"net": answers(3)}, LABELS, CLASSES)).notes
    assert "The first run has no image of elk: the result says nothing of it." in notes


def test_classes_in_another_order_are_matched(runs):
    order = np.array([4, 2, 0, 1, 3])
    place = np.argsort(order)
    given = answers(2)
    other = recorded(
        {"net": {c: place[found].astype(np.int32) for c, found in given.items()}},
        place[LABELS],
        [CLASSES[i] for i in order],
    )
    found = runs(recorded({"net": given}, LABELS, CLASSES), other)
    assert all(cell.churn == (IMAGES, 0, 0, 0) for cell in found.cells)
    assert found.classes == tuple(CLASSES[i] for i in order)


def test_models_are_matched_by_name_or_as_they_are_named_and_the_rest_is_listed(runs):
    before = recorded({"a": answers(1), "b": answers(2), "gone": answers(3)}, LABELS, CLASSES)
    now = recorded({"a": answers(4), "new b": answers(5), "new": {CONTROL: answers(6)[CONTROL]}}, LABELS, CLASSES)
    found = runs(before, now, renamed={"b": "new b"})
    assert found.models == (("a", "a"), ("b", "new b"))
    assert [text.partition(" has ")[2] for text in found.left_out] == ["the model gone.", "the model new."]


def test_the_only_model_of_each_run_is_compared(runs):
    found = runs(recorded({"old": answers(1)}, LABELS, CLASSES), recorded({"new": answers(2)}, LABELS, CLASSES))
    assert found.models == (("old", "new"),)


def test_a_cell_that_one_run_lacks_is_listed(runs):
    before = recorded({"a": answers(1), "b": answers(2)}, LABELS, CLASSES)
    now = recorded({"a": answers(1), "b": {CONTROL: answers(2)[CONTROL]}}, LABELS, CLASSES)
    found = runs(before, now)
    assert len(found.cells) == 4
    assert found.left_out == ("Not in both runs: b under vflip, b under zoom-s3.",)


def test_a_model_without_a_cell_in_one_run_is_compared_with_nothing(runs):
    before = recorded({"a": answers(1), "b": answers(2)}, LABELS, CLASSES)
    now = recorded({"a": answers(1), "b": {}}, LABELS, CLASSES)
    for found in (runs(before, now), runs(now, before)):
        assert {(cell.before, cell.model) for cell in found.cells} == {("a", "a")} == {*found.models}
        assert any(text.endswith(" has the model b.") for text in found.left_out)


def test_runs_without_a_common_cell_are_refused(runs):
    before = recorded({"a": {CONTROL: answers(1)[CONTROL]}, "b": answers(2)}, LABELS, CLASSES)
    now = recorded({"a": {VFLIP: answers(1)[VFLIP]}}, LABELS, CLASSES)
    with pytest.raises(ComparisonError, match=r"have no model under the same condition: a under vflip\. Run one of"):
        runs(before, now)


@pytest.mark.parametrize(
    ("before", "now", "each"),
    [
        ({"a": (CONTROL, VFLIP)}, {"a": (CONTROL, ZOOM)}, "vflip in A, zoom-s3 in B"),
        ({"a": (CONTROL, VFLIP, ZOOM)}, {"a": (CONTROL,)}, "vflip and zoom-s3 in A, none in B"),
        ({"a": (CONTROL, VFLIP), "b": (CONTROL,)}, {"a": (CONTROL,), "b": (CONTROL, VFLIP)}, "vflip in A, vflip in B"),
    ],
)
@pytest.mark.parametrize("paired", [True, False])
def test_runs_that_share_control_alone_are_refused(tmp_path, before, now, each, paired):
    read_back = []
    for name, models in (("A", before), ("B", now)):
        asked = {model: {one: answers(1)[one] for one in conditions} for model, conditions in models.items()}
        read_back.append(read(put_report(recorded(asked, LABELS, CLASSES), tmp_path / name, answers=paired)))
    with pytest.raises(ComparisonError) as caught:
        compare_runs(*read_back)
    text = f"have no model under the same transform, and control alone would be compared: {each}. Run one of them again"
    assert text in str(caught.value).replace(f"{tmp_path}/", "")


def test_runs_of_control_alone_are_compared(runs):
    alone = {"a": {CONTROL: answers(1)[CONTROL]}}
    assert len(runs(recorded(alone, LABELS, CLASSES), recorded(alone, LABELS, CLASSES)).cells) == 1


@pytest.mark.parametrize("count", [2, 5, 6, 7, 8, 9])
@pytest.mark.parametrize("paired", [True, False])
def test_a_comparison_that_could_show_nothing_is_counted(tmp_path, count, paired):
    labels = np.arange(count) % 2
    right, wrong = labels.astype(np.int32), (1 - labels).astype(np.int32)
    runs = [
        read(put_report(recorded({"a": dict.fromkeys(CONDITIONS, given)}, labels, ("x", "y")), place, answers=paired))
        for given, place in ((right, tmp_path / "before"), (wrong, tmp_path / "now"))
    ]
    # By SciPy and statsmodels: all that there is to lose is lost, in each of three comparisons.
    if paired:
        p = mcnemar([[0, count], [0, 0]], exact=True).pvalue
    else:
        p = min(1, 2 * stats.fisher_exact([[count, 0], [0, count]], alternative="greater").pvalue)
    lost, kept = compare_runs(*runs), compare_runs(runs[0], runs[0])
    assert lost.too_few == kept.too_few == (0 if 3 * p < 0.05 else 3)
    assert bool(lost.too_few) != lost.worse
    assert verdict(kept).startswith("No comparison has images enough for a result") == bool(kept.too_few)


@pytest.mark.parametrize("count", [1, 5, 6, 7, 8, 9])
@pytest.mark.parametrize("paired", [True, False])
def test_a_comparison_that_shows_something_is_none_that_could_show_nothing(tmp_path, count, paired):
    # Under the last condition so few images were read; the others show all that there is.
    labels = np.arange(40) % 2
    right, wrong = labels.astype(np.int32), (1 - labels).astype(np.int32)
    read_last = np.arange(40) < count
    given, lost = ({**dict.fromkeys(CONDITIONS, one), ZOOM: np.where(read_last, one, -1)} for one in (right, wrong))
    runs = [
        read(put_report(recorded({"a": answers}, labels, ("x", "y")), place, answers=paired))
        for answers, place in ((given, tmp_path / "before"), (lost, tmp_path / "now"))
    ]
    found = compare_runs(*runs)
    assert found.too_few == sum(not cell.worse for cell in found.cells)


@pytest.mark.parametrize(
    ("before", "now", "apart"),
    [
        ({"a": CONDITIONS}, {"a": CONDITIONS}, 0),
        ({"a": CONDITIONS}, {"a": CONDITIONS[:2]}, 1),
        ({"a": CONDITIONS, "b": CONDITIONS}, {"a": CONDITIONS[:2]}, 4),
        ({"a": CONDITIONS[:2]}, {"a": CONDITIONS, "b": CONDITIONS}, 4),
        ({"a": CONDITIONS, "old": CONDITIONS}, {"a": CONDITIONS, "new": CONDITIONS}, 6),
    ],
)
def test_cells_that_are_not_compared_are_counted(runs, before, now, apart):
    made = [
        recorded({name: {one: answers(1)[one] for one in given} for name, given in run.items()}, LABELS, CLASSES)
        for run in (before, now)
    ]
    found = runs(*made)
    assert found.apart == apart
    said = verdict(found)
    assert (f" {apart} cell" in said) == bool(apart)
    assert ("compared: one run lacks" in said) == bool(apart)


def test_a_model_that_is_not_compared_is_another_than_the_renamed_one_of_its_name(runs):
    before, now = (recorded(dict.fromkeys(names, answers(1)), LABELS, CLASSES) for names in ("a", "ab"))
    assert runs(before, now, renamed={"a": "b"}).apart == len(CONDITIONS)


def test_a_transform_of_another_version_is_left_out_with_both_keys(runs):
    keys = {c: str(c) for c in CONDITIONS}
    before = recorded({"a": answers(1)}, LABELS, CLASSES, transforms=keys)
    now = recorded({"a": answers(1)}, LABELS, CLASSES, transforms=keys | {ZOOM: "zoom(version=2)"})
    found = runs(before, now)
    assert [cell.condition for cell in found.cells] == [CONTROL, VFLIP]
    (text,) = found.left_out
    assert text.startswith("zoom-s3 is not compared, because it is another transform: zoom-s3 in ")
    assert "zoom(version=2) in " in text


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ({"seed": 5}, "seed: 0 in "),
        ({"pipeline": 1}, "pipeline: 2 in "),
        ({"rule": "data"}, "--robustness-outputs: all in "),
        ({"images": identities(IMAGES, 10_000)}, "share no image: 400 of folder:photos, 400 of folder:photos."),
        (
            {"images": identities(IMAGES, 10_000), "data": "python:own.py:photos"},
            "400 of python:own.py:photos. If these are the same images: those of digits, cifar10, python: and of ",
        ),
        ({"models": {"x": 1, "y": 2}}, "have no model in common: net, more in "),
    ],
)
def test_runs_that_cannot_be_compared_are_refused_with_the_reason(runs, now, reason):
    names = now.pop("models", {"net": 3, "more": 4})
    before = recorded({"net": answers(1), "more": answers(2)}, LABELS, CLASSES)
    after = recorded({name: answers(seed) for name, seed in names.items()}, LABELS, CLASSES, **now)
    with pytest.raises(ComparisonError) as caught:
        runs(before, after)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("renamed", "reason"),
    [
        ({"nett": "net"}, "--model nett=net: 'nett' is not a model of "),
        ({"net": "nat"}, "--model net=nat: 'nat' is not a model of "),
        ({"net": "net", "more": "net"}, "--model gives one model two counterparts."),
        ({"other": "net"}, "--model other=net: 'other' may be any of digits:other, python:nets.py:other in "),
        ({"slope": "net", "python:nets.py:slope": "more"}, "--model names one model of the first run twice."),
    ],
)
def test_a_model_that_is_named_wrongly_is_refused(runs, renamed, reason):
    names = ("net", "more", "digits:other", "python:nets.py:other", "python:nets.py:slope")
    run = recorded({name: answers(1) for name in names}, LABELS, CLASSES)
    with pytest.raises(ComparisonError) as caught:
        runs(run, run, renamed=renamed)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("production", "out/candidate"),
        ("python:nets.py:production", "out/candidate"),
        ("production", "onnx:out/candidate"),
        ("out/candidate", "production"),
    ],
)
def test_a_model_may_be_named_as_reports_show_it(runs, old, new):
    names = ("python:nets.py:production", "onnx:out/candidate")
    run = recorded({name: answers(seed) for seed, name in enumerate(names)}, LABELS, CLASSES)
    pair = next((cell.before, cell.model) for cell in runs(run, run, renamed={old: new}).cells)
    assert [name.endswith(short) for name, short in zip(pair, (old, new), strict=True)] == [True, True]


def test_a_whole_name_is_itself_though_it_is_the_short_one_of_another(runs):
    run = recorded({"net": answers(1), "digits:net": answers(2)}, LABELS, CLASSES)
    found = runs(run, run, renamed={"net": "digits:net", "digits:net": "net"})
    assert found.models == (("net", "digits:net"), ("digits:net", "net"))


def test_two_runs_of_one_model_are_called_worse_in_few_of_many_comparisons():
    """Under no change at all, with half of the changed images lost by chance, either family rejects in 5 of 100."""
    rng = np.random.default_rng(11)
    labels = np.repeat(np.arange(2), 100)
    false = 0
    for _ in range(150):
        before = {c: drawn(rng, labels, 2, 0.8) for c in CONDITIONS}
        now = {c: drawn(rng, labels, 2, 0.8) for c in CONDITIONS}
        runs = [recorded({"net": given}, labels, ("a", "b")) for given in (before, now)]
        found = compare_runs(*map(run_of, runs))
        false += found.worse
    # Worse alone, of two sides: at most 2 x 2.5 of 100; 150 draws of that exceed 16 in one of a thousand.
    assert false <= 16


def run_of(found):
    from pytest_robustness.analysis.comparing.reading import counts_of
    from pytest_robustness.analysis.comparing.recorded_run import RecordedRun

    return RecordedRun(
        "run", "data", "f", True, 0, 2, {}, {"net": "f"}, ("a", "b"), counts_of(found), found
    )  # fmt: skip


FP32 = {
    "precision": "fp32", "runtime": "compile fp32", "device": "cpu", "python": "3.11.7", "platform": "Linux x86_64",
    "packages": {"torch": "2.14.1", "timm": "1.0"}, "options": {"limit": None, "alpha": 0.05, "device": "auto"},
    "models": {"net": {"preprocess": {"crop": 64, "mean": [0.5, 0.5]}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"precision": "bf16"}, [("precision", "fp32", "bf16")]),
        ({"runtime": "eager bf16", "device": "cuda"},
         [("runtime", "compile fp32", "eager bf16"), ("device", "cpu", "cuda")]),
        ({"packages": {"torch": "2.15.0", "openvino": "26"}},
         [("torch", "2.14.1", "2.15.0"), ("timm", "1.0", "none"), ("openvino", "none", "26")]),
        ({"options": {"limit": 50, "alpha": 0.01, "device": "cuda"}}, [("--robustness-limit", "none", "50")]),
        ({"models": {"net": {"preprocess": {"crop": 64, "mean": [0.4, 0.5]}}}},
         [("mean of net", "0.5 0.5", "0.4 0.5")]),
        ({"models": {"net": {}}, "sweep_seconds": 9.0, "command": "another"}, []),
    ],
)  # fmt: skip
def test_what_differs_in_how_two_runs_were_computed_is_listed(tmp_path, changes, found):
    run = recorded({"net": answers(1)}, LABELS, CLASSES)
    read_runs = []
    for name, provenance in (("a", FP32), ("b", FP32 | changes)):
        file = put_report(run, tmp_path / name) / "results.json"
        content = json.loads(file.read_text())
        content["provenance"] |= provenance | {"options": content["provenance"]["options"] | provenance["options"]}
        file.write_text(json.dumps(content))
        read_runs.append(read(file))
    compared = compare_runs(*read_runs)
    assert [tuple(one) for one in compared.differences] == found
    assert not [note for note in compared.notes if "not recorded" in note]


def test_a_run_that_records_no_circumstances_is_named():
    run = run_of(recorded({"net": {CONTROL: LABELS}}, LABELS, CLASSES))
    compared = compare_runs(run, run)
    assert compared.differences == ()
    assert "run: precision, runtime, device and versions are not recorded" in compared.notes[-1]


def test_every_pair_of_answers_is_one_kind(runs):
    """All ways in which three answers to one image can change, each by hand."""
    labels = np.zeros(16, np.int64)
    pairs = list(itertools.product([0, 1, 2, -1], repeat=2))
    before, now = (np.array([pair[i] for pair in pairs], np.int32) for i in range(2))
    found = runs(
        recorded({"net": {CONTROL: before}}, labels, ("a", "b", "c")),
        recorded({"net": {CONTROL: now}}, labels, ("a", "b", "c")),
    )
    # Of nine pairs that were read: right to wrong twice, wrong to right twice, wrong to wrong otherwise twice.
    assert found.cells[0].churn == (9, 2, 2, 2)


def unlabelled(weights, n, right):
    """Return a run without labels: one model, two classes of its own answers; ``right`` under blur."""
    counts = {
        Cell("net", CONTROL): Counts(np.array(n), np.array(n)),
        Cell("net", Condition("blur")): Counts(np.array(n), np.array(right)),
    }
    return RecordedRun("run", "data", "f", False, 0, 2, {}, {"net": weights}, ("a", "b"), counts, None)


@pytest.mark.parametrize(
    ("now", "decides"),
    [
        # A constant model always agrees with itself.
        (unlabelled("other", [400, 0], [400, 0]), False),
        (unlabelled("other", [200, 200], [200, 200]), False),
        (unlabelled("same", [210, 190], [210, 190]), False),
        (unlabelled("same", [200, 200], [200, 200]), True),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_agreement_with_other_answers_is_neither_better_nor_worse(now, decides, turned):
    before = unlabelled("same", [200, 200], [100, 100])
    found = compare_runs(*((now, before) if turned else (before, now)))
    assert any(cell.overall.p_adjusted[0] < 0.001 for cell in found.cells)
    assert any(cell.worse if turned else cell.better for cell in found.cells) == decides
    assert found.worse == (decides and turned)
    assert any("agreement of a model with its own answers" in note for note in found.notes)
    assert any("nothing is called better or worse of net" in note for note in found.notes) != decides
    assert ("Nothing is called better or worse" in verdict(found)) != decides
    rows = list(class_rows(found))
    assert any(row["worse"] or row["better"] for row in rows) == decides
