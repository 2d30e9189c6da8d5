"""Files, classes and functions stay small enough to be read at a sitting."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_robustness

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(pytest_robustness.__file__).parent
LIMITS = {ast.ClassDef: 200, ast.FunctionDef: 60, ast.AsyncFunctionDef: 60}
LONGEST_FILE = 300
ENTRIES = 11
FINDINGS = {"Finding", "ModelTest", "ClassTest", "ImageTest", "GateTest"}
MOST_CHECKS_OF_KIND = 5


def modules() -> Iterator[tuple[str, ast.Module, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(text), text


def too_long(tree: ast.AST) -> list[str]:
    return [
        f"{node.name} ({length} lines)"
        for node in ast.walk(tree)
        if isinstance(node, tuple(LIMITS))
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LIMITS[type(node)]
    ]


def checks_of_kind(tree: ast.AST) -> int:
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "isinstance"]
    return sum(bool(FINDINGS & {n.id for n in ast.walk(call) if isinstance(n, ast.Name)}) for call in calls)


def test_no_class_and_no_function_is_too_long():
    assert {name: found for name, tree, _ in modules() if (found := too_long(tree))} == {}


def test_a_file_that_is_long_says_why_in_its_docstring():
    long = {name: ast.get_docstring(tree) for name, tree, text in modules() if len(text.splitlines()) > LONGEST_FILE}
    assert [name for name, docstring in long.items() if "One file because" not in (docstring or "")] == []


def test_the_package_has_few_doors():
    entries = [entry for entry in PACKAGE.iterdir() if entry.name != "__pycache__"]
    assert len(entries) <= ENTRIES, sorted(entry.name for entry in entries)


def test_the_kind_of_a_finding_is_rarely_asked():
    counts = {name: n for name, tree, _ in modules() if (n := checks_of_kind(tree))}
    assert sum(counts.values()) <= MOST_CHECKS_OF_KIND, counts


@pytest.mark.parametrize(("lines", "found"), [(60, []), (61, ["long (61 lines)"])])
def test_a_long_function_is_noticed(lines, found):
    assert too_long(ast.parse("def long():\n" + "    pass\n" * (lines - 1))) == found
