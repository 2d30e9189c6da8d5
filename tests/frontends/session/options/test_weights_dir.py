"""``--robustness-weights-dir``: where torchvision's weight files are read from."""

from __future__ import annotations


def test_the_weights_are_read_from_there_and_nothing_is_downloaded(project):
    project.configure(robustness_weights_dir="nets")
    (project.path / "typed").mkdir()
    result = project.judge(
        "--robustness-models=squeezenet1_1", "-k", "models and hflip", "--robustness-weights-dir=typed"
    )
    result.assert_outcomes(errors=1, deselected=3)
    result.stdout.fnmatch_lines([f"*{project.path}/typed*squeezenet1_1-*.pth*"])
