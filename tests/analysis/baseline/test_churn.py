"""A gate says how many answers changed, and a new baseline which accuracies: as a loop over the images counts them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pytest_robustness.analysis.answers.churn import AnswerChurn, named
from pytest_robustness.analysis.baseline import Baseline, BaselineModel, write
from pytest_robustness.analysis.baseline.candidate import compare_models
from pytest_robustness.analysis.baseline.rule import GatePolicy
from pytest_robustness.analysis.baseline.shared_answers import SharedAnswers
from pytest_robustness.analysis.baseline.update import changes, lost_or_other
from pytest_robustness.analysis.comparing import compare_runs, read
from pytest_robustness.analysis.predictions import Outputs
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL
from tests.recorded import CONDITIONS, VFLIP, drawn, identities, planted, put_report, recorded

CLASSES = ("ant", "bee", "cat", "dog")
LABELS = np.random.default_rng(1).integers(0, 4, 500)


def baseline(answers, models=("net",)):
    found = recorded(dict.fromkeys(models, answers), LABELS, CLASSES)
    return Baseline(
        found.protocol,
        found.images,
        {name: BaselineModel(m.fingerprint, m.outputs, m.answers, {}) for name, m in found.models.items()},
    )


def answers(seed, share=0.8):
    rng = np.random.default_rng(seed)
    found = {condition: drawn(rng, LABELS, 4, share) for condition in CONDITIONS}
    for given in found.values():
        given[rng.permutation(500)[:7]] = -1
    return found


@pytest.mark.parametrize("outputs", [np.arange(4), np.array([2, 9, 0, 4])], ids=["the same outputs", "other outputs"])
def test_the_churn_of_a_gate_is_what_a_loop_counts(outputs):
    before, now = answers(2), answers(3)
    order = np.random.default_rng(4).permutation(500)[:400]
    known = baseline(before)
    run = known.images._replace(identities=identities(500)[order], labels=LABELS[order])
    predicted = now[VFLIP][order]
    given = Outputs(np.where(predicted < 0, -1, outputs[predicted]).astype(np.int32), outputs)
    found = SharedAnswers(known, run).churn(known.models["net"], VFLIP, given, LABELS[order])
    counts = dict.fromkeys(("harmful", "beneficial", "other_wrong", "unchanged"), 0)
    for i in order:
        # A gate compares the images that the baseline could read under every condition.
        if any(before[c][i] < 0 for c in CONDITIONS) or now[VFLIP][i] < 0:
            continue
        was, is_now = before[VFLIP][i] == LABELS[i], now[VFLIP][i] == LABELS[i]
        kind = "harmful" if was and not is_now else "beneficial" if is_now and not was else "unchanged"
        if not was and not is_now and before[VFLIP][i] != now[VFLIP][i]:
            kind = "other_wrong"
        counts[kind] += 1
    assert {name: getattr(found, name) for name in counts} == counts
    assert found.n == sum(counts.values())


def test_outputs_that_stand_for_no_class_are_one_answer_where_models_number_them_otherwise():
    mine, other = np.array([5, 7]), np.array([0, 1])
    assert named(np.array([5, 7, 3, 9, -1]), mine, other).tolist() == [0, 1, 2, 2, -1]
    assert named(np.array([5, 7, 3, 9, -1]), mine, mine).tolist() == [5, 7, 3, 9, -1]


@pytest.mark.parametrize(
    ("churn", "text"),
    [
        (AnswerChurn(10, 0, 0, 0), "no answer of 10 changed"),
        (AnswerChurn(10, 1, 0, 0), ("1 answer of 10 changed: 1 from right to wrong, 0 from wrong to right, 0 from one "
                                    "wrong class to another")),
        (AnswerChurn(50, 1, 2, 3), ("6 answers of 50 changed: 1 from right to wrong, 2 from wrong to right, 3 from one "
                                    "wrong class to another")),
    ],
)  # fmt: skip
def test_churn_in_words(churn, text):
    assert churn.text() == text


def test_a_new_baseline_lists_the_accuracies_that_moved_old_to_new():
    before = {c: LABELS.astype(np.int32) for c in CONDITIONS}
    fallen = before | {VFLIP: np.where(np.arange(500) < 100, (LABELS + 1) % 4, LABELS).astype(np.int32)}
    old, new = baseline(before), baseline(fallen)
    assert changes(old, old) == []
    assert changes(old, new) == ["  net vflip: 100.00 -> 80.00 (-20.00)"]
    fewer = {c: given for c, given in before.items() if c != VFLIP}
    assert changes(old, baseline(fewer)) == []
    assert lost_or_other(old, baseline(fewer)) == ["  condition gone: vflip"]
    assert changes(baseline(fewer), old) == ["  net vflip: none -> 100.00"]


def test_many_changes_are_cut():
    names = [f"net{i}" for i in range(30)]
    old = baseline({c: LABELS.astype(np.int32) for c in CONDITIONS}, names)
    new = baseline({c: (LABELS * 0).astype(np.int32) for c in CONDITIONS}, names)
    lines = changes(old, new)
    assert len(lines) == 41
    assert lines[-1] == "  and 50 more"
    renamed = dataclasses.replace(new, models={"\x1b[2J": new.models["net0"]})
    assert "\x1b" not in "".join(changes(old, renamed))
    assert CONTROL in new.models["net0"].answers


def test_two_of_a_hundred_answers_that_go_from_wrong_to_wrong_pass_the_gate_and_are_counted_by_compare(tmp_path):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, 5000)
    before = {c: drawn(rng, labels, 4, 0.7) for c in CONDITIONS}
    now = {c: planted(rng, given, labels, 4, 0.02) for c, given in before.items()}
    right = [{c: given == labels for c, given in side.items()} for side in (before, now)]
    gate = compare_models(*right, labels=labels, classes=CLASSES, policy=GatePolicy())
    assert gate.verdict.outcome is Outcome.PASS
    found = recorded({"net": before}, labels, CLASSES)
    model = found.models["net"]
    outcomes = dict.fromkeys((c for c in CONDITIONS if c != CONTROL), Outcome.PASS)
    kept = BaselineModel(model.fingerprint, model.outputs, model.answers, outcomes)
    write(Baseline(found.protocol, found.images, {"net": kept}), tmp_path / "baseline.json")
    report = put_report(recorded({"net": now}, labels, CLASSES), tmp_path / "report")
    compared = compare_runs(read(tmp_path / "baseline.json"), read(report))
    assert [cell.churn for cell in compared.cells] == [(5000, 0, 0, 100)] * 3
    assert not compared.worse
