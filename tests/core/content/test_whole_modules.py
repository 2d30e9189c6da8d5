"""Where code looks names up in a module, the files count that its text imports, and nothing that is merely loaded."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
import types
from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.core.content import content_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Files = dict[str, str]

MAIN = "import ops\nNAME = 'fog'\ndef run(i): return getattr(ops, NAME)(i)\n"
# The files of a project, of which main.py has what is hashed, and the one in which a 2 becomes a 3. Where there is no
# main.py, it looks up "fog" in "ops".
COUNTS: dict[str, str] = {
    "the module": """
        # ops.py (edited)
        def fog(i): return i // 2
    """,
    "what it imports a function from": """
        # ops.py
        from impl import fog
        # impl.py (edited)
        def fog(i): return i // 2
    """,
    "what its function uses": """
        # ops.py
        from impl import div
        def fog(i): return div(i)
        # impl.py (edited)
        def div(i): return i // 2
    """,
    "a number that it imports": """
        # ops.py
        from impl import K
        def fog(i): return i // K
        # impl.py (edited)
        K = 2
    """,
    "a package's module": """
        # ops/__init__.py
        from .impl import fog
        # ops/impl.py (edited)
        def fog(i): return i // 2
    """,
    "all of a module's names": """
        # ops/__init__.py
        from .a import *
        # ops/a.py
        from .b import *
        # ops/b.py (edited)
        def fog(i): return i // 2
    """,
    "a chain of imports": """
        # ops.py
        from a import fog
        # a.py
        from b import fog
        # b.py
        from c import fog
        # c.py (edited)
        def fog(i): return i // 2
    """,
    "imports in a circle": """
        # ops.py
        import a
        def fog(i): return a.div(i)
        # a.py
        import ops, b
        div = b.div
        # b.py (edited)
        import a
        def div(i): return i // 2
    """,
    "an import within a function": """
        # ops.py
        def fog(i):
            from impl import div
            return div(i)
        # impl.py (edited)
        def div(i): return i // 2
    """,
    "an import that may fail": """
        # ops.py
        try:
            from impl import fog
        except ImportError:
            fog = abs
        # impl.py (edited)
        def fog(i): return i // 2
    """,
    "an import in a class, a loop and a case": """
        # ops.py
        class C:
          for _ in 'a':
            match 1:
              case _:
                with open(__file__):
                  import impl
        fog = C.impl.fog
        # impl.py (edited)
        def fog(i): return i // 2
    """,
    "a module that its text names": """
        # ops.py
        import importlib
        fog = importlib.import_module('impl').fog
        # impl.py (edited)
        def fog(i): return i // 2
    """,
    "a function that its text names": """
        # ops.py
        import importlib
        m, _, n = 'impl.fog'.rpartition('.')
        fog = getattr(importlib.import_module(m), n)
        # impl.py (edited)
        def fog(i): return i // 2
    """,
    "what a package imports when asked": """
        # ops/__init__.py
        import importlib
        def __getattr__(n): return getattr(importlib.import_module('.' + n, __name__), n)
        # ops/fog.py (edited)
        def fog(i): return i // 2
    """,
    "such a package behind another module": """
        # ops.py
        import lazy
        def fog(i): return lazy.fog(i)
        # lazy/__init__.py
        from importlib import import_module
        def __getattr__(n): return getattr(import_module(__name__ + '.' + n), n)
        # lazy/fog.py (edited)
        def fog(i): return i // 2
    """,
    "what a package finds in its folder": """
        # ops/__init__.py
        import pkgutil, importlib
        for m in pkgutil.iter_modules(__path__):
            fog = importlib.import_module(__name__ + '.' + m.name).fog
        # ops/deep.py (edited)
        def fog(i): return i // 2
    """,
    "a module in a folder of a package": """
        # main.py
        import ops.sub.deep, ops
        NAME = 'sub'
        def run(i): return getattr(ops, NAME).deep.fog(i)
        # ops/__init__.py
        # ops/sub/deep.py (edited)
        def fog(i): return i // 2
    """,
    "a package without a file": """
        # main.py
        import ops.fog
        NAME = 'fog'
        def run(i): return getattr(ops, NAME).fog(i)
        # ops/fog.py (edited)
        def fog(i): return i // 2
    """,
    "globals": """
        # main.py
        from ops import fog
        NAME = 'fog'
        def run(i): return globals()[NAME](i)
        # ops.py (edited)
        def fog(i): return i // 2
    """,
    "what globals lead to": """
        # main.py
        from ops import fog
        NAME = 'fog'
        def run(i): return globals()[NAME](i)
        # ops.py
        from impl import fog
        # impl.py (edited)
        def fog(i): return i // 2
    """,
    "globals of a package": """
        # main.py
        from pack.inner import run
        # pack/inner.py
        from .ops import fog
        NAME = 'fog'
        def run(i): return globals()[NAME](i)
        # pack/ops.py (edited)
        def fog(i): return i // 2
    """,
    "a module that is held": """
        # main.py
        import ops
        class Net:
            def __init__(self): self.ops = ops
            def run(self, i): return self.ops.fog(i)
        run = Net()
        # ops.py (edited)
        def fog(i): return i // 2
    """,
    "what a module that is held imports": """
        # main.py
        import ops
        class Net:
            def __init__(self): self.ops = ops
            def run(self, i): return self.ops.fog(i)
        run = Net()
        # ops.py
        from impl import fog
        # impl.py (edited)
        def fog(i): return i // 2
    """,
    "a package without a file that is held": """
        # main.py
        import ops.deep
        import ops
        class Net:
            def __init__(self): self.ops = ops
            def run(self, i): return self.ops.deep.fog(i)
        run = Net()
        # ops/deep.py (edited)
        def fog(i): return i // 2
    """,
    "a module that is imported by name": """
        # main.py
        import importlib
        NAME = 'fog'
        def run(i): return importlib.import_module(f'ops.{NAME}').fog(i)
        # ops/__init__.py
        # ops/fog.py (edited)
        def fog(i): return i // 2
    """,
    "what that imports": """
        # main.py
        import importlib
        NAME = 'fog'
        def run(i): return importlib.import_module(f'ops.{NAME}').fog(i)
        # ops/__init__.py
        # ops/fog.py
        from .impl import fog
        # ops/impl.py (edited)
        def fog(i): return i // 2
    """,
    "one by a relative name": """
        # main.py
        from pack.a import run
        # pack/__init__.py
        # pack/a.py
        import importlib
        NAME = 'fog'
        def run(i): return importlib.import_module(f'.{NAME}', __package__).fog(i)
        # pack/fog.py (edited)
        def fog(i): return i // 2
    """,
    "what makes attributes up": """
        # main.py
        import ops
        def run(i): return ops.fog(i)
        # ops.py
        import impl
        def __getattr__(n): return getattr(impl, n)
        # impl.py (edited)
        def fog(i): return i // 2
    """,
    "what was put in from elsewhere": """
        # main.py
        import ops, patch
        import ops
        NAME = 'fog'
        def run(i): return getattr(ops, NAME)(i)
        # ops.py
        # patch.py (edited)
        import ops
        @lambda f: setattr(ops, 'fog', f)
        def fog(i): return i // 2
    """,
    "a module that was put in from elsewhere": """
        # main.py
        import patch
        import ops
        NAME = 'fog'
        def run(i): return getattr(ops, NAME).fog(i)
        # ops.py
        # patch.py
        import ops, impl
        ops.fog = impl
        # impl.py (edited)
        def fog(i): return i // 2
    """,
    "a module that was read by its path": """
        # ops.py
        import importlib.util as u
        from pathlib import Path
        s = u.spec_from_file_location('by_path', Path(__file__).with_name('impl.py'))
        m = u.module_from_spec(s)
        s.loader.exec_module(m)
        fog = m.fog
        # impl.py (edited)
        def fog(i): return i // 2
    """,
    "a module that is made of a text": """
        # main.py
        import other
        import ops
        NAME = 'fog'
        def run(i): return getattr(ops, NAME)(i)
        # ops.py
        # other.py (edited)
        import sys, types, ops
        m = types.ModuleType('made')
        exec('def fog(i): return i // 2', vars(m))
        ops.fog = m.fog
    """,
}

# The same where no code leads to the file that is edited.
COUNTS_NOT: dict[str, str] = {
    "a module beside": """
        # ops.py
        def fog(i): return i // 2
        # beside.py (edited)
        K = 2
    """,
    "one that imports it": """
        # ops.py
        def fog(i): return i // 2
        # user.py (edited)
        import ops
        K = 2
    """,
    "a module of a package, where another is named": """
        # main.py
        from ops import a
        def run(i): return a.fog(i)
        # ops/__init__.py
        # ops/a.py
        def fog(i): return i // 2
        # ops/b.py (edited)
        K = 2
    """,
    "a module of a package, where another is looked into": """
        # main.py
        import ops.a as ops
        NAME = 'fog'
        def run(i): return getattr(ops, NAME)(i)
        # ops/__init__.py
        # ops/a.py
        def fog(i): return i // 2
        # ops/b.py (edited)
        K = 2
    """,
    "a module beside one by whose path it is read": """
        # main.py
        import ops
        class Net:
            def __init__(self): self.ops = ops
            def run(self, i): return self.ops.fog(i)
        run = Net()
        # ops.py
        def fog(i): return i // 2
        # ops2.py (edited)
        K = 2
    """,
    "what is no code": """
        # ops/__init__.py
        def fog(i): return i // 2
        # ops/notes.txt (edited)
        2
    """,
    "what is no module": """
        # ops/__init__.py
        def fog(i): return i // 2
        # ops/not-one.py (edited)
        K = 2
    """,
}


def parsed(text: str) -> tuple[Files, str]:
    """Return the files that a text holds, and the name of the one to edit."""
    files: Files = {"main.py": MAIN}
    name = edited = ""
    for line in textwrap.dedent(text).strip().splitlines():
        if line.startswith("# "):
            name, _, mark = line.removeprefix("# ").partition(" ")
            files[name] = ""
            edited = name if mark else edited
        else:
            files[name] += line + "\n"
    return files, edited


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Files], Any]]:
    """Write files and import main.py anew; return its ``run``."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))

    def places(module: object) -> list[object]:
        held = getattr(module, "__dict__", {})
        return [held.get("__file__"), *(held.get("__path__") or ())]

    def forget() -> None:
        of = [name for name, module in sys.modules.items() for place in places(module) if str(tmp_path) in str(place)]
        for name in of:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    def load(files: Files) -> Any:
        forget()
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return importlib.import_module("main").run

    yield load
    forget()


def edited(files: Files, name: str) -> Files:
    assert "2" in files[name]
    return {**files, name: files[name].replace("2", "3")}


@pytest.mark.parametrize("text", COUNTS.values(), ids=COUNTS)
def test_an_edit_of_what_looked_up_code_may_use_counts(project, text):
    files, name = parsed(text)
    run = project(files)
    assert (run(90) if callable(run) else run.run(90)) == 45
    one = content_hash(run)
    assert one.unhashed == ()
    assert content_hash(project(files)) == one, "the same files"
    run = project(edited(files, name))
    assert content_hash(run) != one
    assert (run(90) if callable(run) else run.run(90)) == 30


@pytest.mark.parametrize("text", COUNTS_NOT.values(), ids=COUNTS_NOT)
def test_an_edit_of_what_no_code_leads_to_does_not_count(project, text):
    files, name = parsed(text)
    one = content_hash(project(files))
    assert one.unhashed == ()
    assert content_hash(project(edited(files, name))) == one


FOG = "def fog(i): return i // 2\n"
PACKAGE, _ = parsed("""
    # ops/__init__.py
    from .impl import fog
    import pack
    # ops/impl.py
    _cached = None
    def fog(i):
        global _cached
        import late
        _cached = late
        return i // 2
    # ops/report.py
    import beside
    # pack/__init__.py
    # pack/one.py
    K = 1
    # late.py
    K = 2
    # beside.py
    from ops.impl import fog as other
""")
HAPPENS = (
    "import ops.report",
    "import pack.one",
    "import late",
    "import beside",
    "main.run(9)",
    "import ops.report, pack.one; main.run(9)",
)


@pytest.mark.parametrize("happens", HAPPENS)
def test_what_else_was_imported_or_run_does_not_count(project, happens):
    run = project(PACKAGE)
    before = content_hash(run)
    exec(happens, {"main": sys.modules["main"]})
    assert content_hash(run) == before
    run = project(PACKAGE)
    exec(happens, {"main": sys.modules["main"]})
    assert content_hash(run) == before


def test_a_module_without_a_file_counts_by_what_it_has():
    def made(text: str) -> Any:
        module = types.ModuleType("made_of_a_text")
        exec(text, vars(module))
        return vars(module)["run"]

    looks_up = "def run(i): return globals()['fog'](i)\n"
    assert content_hash(made(FOG + looks_up)) == content_hash(made(FOG + looks_up))
    assert content_hash(made(FOG + looks_up)) != content_hash(made(FOG.replace("2", "3") + looks_up))
    reads = "def run(i): return getattr(i, 'real')\n"
    assert content_hash(made(FOG + reads)) == content_hash(made(FOG.replace("2", "3") + reads))


def test_files_that_are_no_python_count_by_their_content(project):
    files = {"main.py": MAIN, "ops/__init__.py": FOG, "ops/broken.py": "def (", "ops/null.py": "\0"}
    one = content_hash(project(files))
    assert one.unhashed == ()
    assert content_hash(project({**files, "ops/broken.py": "def )"})) != one


def test_a_package_with_links_in_a_circle_ends(project, tmp_path):
    project({"main.py": MAIN, "ops/__init__.py": FOG, "ops/inner/a.py": "K = 2"})
    (tmp_path / "ops/inner/again").symlink_to(tmp_path / "ops")
    assert content_hash(project({})).unhashed == ()


PROGRAM = """
import sys; sys.path[:0] = {path!r}
{first}
import main
from pytest_robustness.core.content import content_hash
print(content_hash(main.run))
"""


@pytest.mark.slow
def test_every_process_finds_the_same_hash_in_any_place_and_order(tmp_path):
    found = set()
    for number, first in enumerate(
        ("", "import beside, ops.report, pack.one, late", "import torch, late, main; main.run(9)")
    ):
        place = tmp_path / f"place{number}"
        for name, text in (PACKAGE if number else dict(reversed(PACKAGE.items()))).items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        program = PROGRAM.format(path=[str(place), *sys.path[:2]], first=first)
        environment = {**os.environ, "PYTHONHASHSEED": str(number)}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1
    assert b"unhashed=()" in found.pop()
