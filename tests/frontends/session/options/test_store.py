"""``--robustness-store``: where finished results are kept."""

from __future__ import annotations

from tests.forwards import ASKED, CHECKED


def test_results_are_kept_there_and_found_again_there(project):
    project.configure(robustness_store="kept/here.sqlite")
    project.judge("-k", "hflip")
    assert project.stored("kept/here.sqlite")
    forwards = project.forwards
    result = project.judge("-k", "hflip", "--robustness-store=kept/here.sqlite")
    result.assert_outcomes(passed=3, deselected=3)
    assert forwards + ASKED < project.forwards <= forwards + ASKED + 2 * CHECKED
    again = project.forwards
    project.judge("-k", "hflip", "--robustness-store=elsewhere.sqlite")
    assert project.stored("elsewhere.sqlite") == project.stored("kept/here.sqlite")
    assert project.forwards == again + forwards
    assert not (project.path / ".robustness" / "store.sqlite").exists()
