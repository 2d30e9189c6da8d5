"""``--robustness-on-bad-image``: what a file that is no readable image is."""

from __future__ import annotations


def test_it_is_an_error_or_it_is_skipped_and_counted(project):
    project.image("up", 4).write_text("no image")
    project.judge("-k", "hflip").assert_outcomes(errors=3, deselected=3)
    project.configure(robustness_on_bad_image="error")
    result = project.judge("-k", "hflip", "--robustness-on-bad-image=skip")
    result.assert_outcomes(passed=3, deselected=3)
    assert project.results()["skipped_images"] == [str(project.image("up", 4))]
    assert set(project.table("accuracy.csv").n) == {20, 19}


def test_what_an_earlier_run_skipped_is_an_error_where_errors_are_asked_for(project):
    project.image("up", 4).write_text("no image")
    project.judge("-k", "hflip", "--robustness-on-bad-image=skip").assert_outcomes(passed=3, deselected=3)
    result = project.judge("-k", "hflip")
    result.assert_outcomes(errors=3, deselected=3)
    assert f"{project.image('up', 4)} is not a readable image: " in result.stdout.str()


def test_an_unreadable_image_is_reported_in_one_sentence_and_in_the_report(project):
    project.image("up", 4).write_text("no image")
    printed = project.judge("-k", "hflip").stdout.str()
    assert "During handling" not in printed
    assert "direct cause" not in printed
    messages = {error["error"] for error in project.results()["errors"]}
    assert len(messages) == 1
    assert messages.pop().startswith(f"{project.image('up', 4)} is not a readable image: ")
