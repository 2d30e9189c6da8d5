"""Variables that packages set for themselves when they are imported stay; all others are undone, and named."""

from __future__ import annotations

import importlib
import os
import sys

import pytest

from pytest_robustness.core import environment
from pytest_robustness.core.content import origin
from pytest_robustness.core.process_state import ASPECTS, restored

PACKAGES = {
    "sets.py": "import os\nos.environ.setdefault('OF_PACKAGE', 'a')",
    "sets_deeper.py": "import os\ndef prepare():\n    os.environ['OF_PACKAGE'] = 'a'\nprepare()",
    "sets_by_another.py": "import sets",
    "sets_many.py": "import os\nos.environ.update(OF_PACKAGE='a', OTHER='b')",
    "overrides.py": "import os\nos.environ['OF_USER'] = 'package'",
    "waits.py": "import os\ndef prepare():\n    os.environ['OF_PACKAGE'] = 'a'",
    "calls_back.py": "import hook\nhook.prepare()",
}


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two folders on the path: of installed packages, and of a user's modules."""
    for name, code in PACKAGES.items():
        (tmp_path / "installed").mkdir(exist_ok=True)
        (tmp_path / "installed" / name).write_text(code)
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "hook.py").write_text("import os\ndef prepare():\n    os.environ['OF_HOOK'] = 'user'\n")
    (tmp_path / "user" / "mine.py").write_text("import os\nos.environ['OF_MINE'] = 'user'\n")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    monkeypatch.syspath_prepend(str(tmp_path / "user"))
    monkeypatch.setattr(origin, "_installed_folders", lambda: (tmp_path / "installed",))
    monkeypatch.setattr(environment, "_OF_PACKAGES", {})
    for name in ("OF_PACKAGE", "OTHER", "OF_HOOK", "OF_MINE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, "so that it is removed after the test")
        del os.environ[name]
    monkeypatch.setenv("OF_USER", "user")
    modules = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("code", "named", "left"),
    [
        ("load('sets')", "", {"OF_PACKAGE": "a"}),
        ("load('sets_deeper')", "", {"OF_PACKAGE": "a"}),
        ("load('sets_by_another')", "", {"OF_PACKAGE": "a"}),
        ("load('sets_many')", "", {"OF_PACKAGE": "a", "OTHER": "b"}),
        ("load('overrides')", "OF_USER", {}),
        ("load('waits').prepare()", "OF_PACKAGE", {}),
        ("load('calls_back')", "OF_HOOK", {}),
        ("load('mine')", "OF_MINE", {}),
        ("os.environ['OF_MINE'] = 'user'", "OF_MINE", {}),
        ("load('sets'); os.environ['OF_MINE'] = 'user'", "OF_MINE", {"OF_PACKAGE": "a"}),
        ("load('sets'); os.environ['OF_PACKAGE'] = 'user'", "OF_PACKAGE", {"OF_PACKAGE": "a"}),
        ("load('sets'); os.environ.pop('OF_USER')", "OF_USER", {"OF_PACKAGE": "a"}),
        ("load('sets'); del os.environ['OF_PACKAGE']", "", {}),
    ],
)
def test_what_a_package_sets_when_it_is_imported_stays_and_all_else_is_undone(packages, code, named, left):
    before, put = dict(os.environ), os.putenv
    with restored(ASPECTS) as changed:
        exec(code, {"load": packages, "os": os})
    assert [name for name in changed if "environ" in name] == ([f"environment variables ({named})"] if named else [])
    assert dict(os.environ) == before | left
    with restored(ASPECTS) as changed:  # a later call, in which nothing is imported any more
        os.environ["OF_MINE"] = "user"
    assert "environment variables (OF_MINE)" in changed
    assert dict(os.environ) == before | left
    assert os.putenv is put


def test_of_many_variables_some_are_named():
    assert environment.changed_names({f"V{i}": "1" for i in range(9)}, {"V0": "1"}) == "V1, V2, V3, V4, V5 and 3 more"
    assert environment.changed_names({"A\x1b": "1"}, {}) == "A\\x1b"
