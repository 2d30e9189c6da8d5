"""``--robustness-report``: the folder that the report goes to."""

from __future__ import annotations


def test_the_report_goes_there(project):
    project.configure(robustness_report="out/configured")
    project.judge("-k", "hflip")
    assert project.results("out/configured")["model_tests"]
    result = project.judge("-k", "hflip", "--robustness-report=out/typed")
    result.stdout.fnmatch_lines(["Report: out/typed*"])
    assert {"results.json", "accuracy.csv", "tests.csv"} <= {
        path.name for path in (project.path / "out" / "typed").iterdir()
    }
    assert not (project.path / "reports").exists()
