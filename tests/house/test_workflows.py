"""The workflow files that users copy are valid, and their commands use options that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GITHUB = ("--builtin-schema", "vendor.github-workflows")
GITLAB = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
FILES = {
    "docs/ci/github.yml": GITHUB,
    "examples/gate/.github/workflows/robustness.yml": GITHUB,
    "docs/ci/gitlab-ci.yml": GITLAB,
    "action.yml": ("--builtin-schema", "vendor.github-actions"),
}
TEXTS = ("docs/ci.md", "examples/gate/README.md", *FILES)


@pytest.fixture
def checked(tmp_path):
    """Check the text of a file against a schema that check-jsonschema carries along; nothing is fetched."""
    pytest.importorskip("check_jsonschema", reason="check-jsonschema, which carries the schemas, is not installed")

    def check(name, text):
        path = tmp_path / Path(name).name
        # GitLab's schema lets a hidden job be anything, so it is shown for the check.
        path.write_text(text.replace("\n.robustness:\n", "\nshown:\n  script: [pytest]\n"), encoding="utf-8")
        command = [sys.executable, "-m", "check_jsonschema", *FILES[name], str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return result.returncode == 0, result.stdout + result.stderr

    return check


@pytest.mark.parametrize("name", FILES)
def test_a_workflow_file_meets_its_schema(checked, name):
    fine, output = checked(name, (ROOT / name).read_text(encoding="utf-8"))
    assert fine, output


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("docs/ci/github.yml", "runs-on:", "run-on:"),
        ("docs/ci/gitlab-ci.yml", "when: always", "when: sometimes"),
        ("action.yml", "using: composite", "using: composit"),
    ],
)
def test_the_schema_notices_a_slip(checked, name, right, wrong):
    fine, output = checked(name, (ROOT / name).read_text(encoding="utf-8").replace(right, wrong))
    assert not fine
    assert "Schema validation errors were encountered" in output


def test_the_workflow_with_the_action_meets_the_schema_as_it_is_pasted(checked):
    (text,) = re.findall(r"```yaml\n(name: .*?)```", (ROOT / "docs/ci.md").read_text(encoding="utf-8"), re.DOTALL)
    fine, output = checked("docs/ci/github.yml", text)
    assert fine, output
    assert not checked("docs/ci/github.yml", text[text.index("permissions:") :])[0]


@pytest.mark.parametrize("name", TEXTS)
def test_every_option_that_is_shown_exists(name, request):
    shown = set(re.findall(r"--(robustness-[a-z-]+)", (ROOT / name).read_text(encoding="utf-8")))
    known = vars(request.config.option)
    assert [option for option in sorted(shown) if option.replace("-", "_") not in known] == []
