"""What the documentation names exists: links and anchors, paths, options and keys, classes, functions, attributes."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_robustness
from pytest_robustness.frontends.command.main import cli
from pytest_robustness.frontends.session.options.table import SPECS, markdown_table

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = Path(pytest_robustness.__file__).parent
ROOMS = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} | {".ci", ".github"}
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(
        part.startswith(".") or part in {"node_modules", "build", "dist"} for part in path.relative_to(ROOT).parts
    )
)
MODULES = sorted(PACKAGE.rglob("*.py"))

# Names of other libraries, and one that the package decided against.
_OTHERS = {
    "BaselineTest",
    "ConcatDataset",
    "ImageFile.LOAD_TRUNCATED_IMAGES",
    "ImageFolder",
    "InterpolationMode.BILINEAR",
    "NUMBA_CACHE_DIR",
    "Subset",
    "crop_mode",
}


@dataclasses.dataclass(frozen=True)
class Names:
    """What the package defines: ``members`` by module or class, and all its ``words``."""

    members: dict[str, set[str]]
    words: set[str]

    @classmethod
    def of(cls, package: Path, others: list[Path]) -> Names:
        members: dict[str, set[str]] = {}
        words: set[str] = set()
        for path in package.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            words.update(re.findall(r"\w+", text))
            parts = path.relative_to(package).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            members.setdefault(module, set()).update(_defined(ast.parse(text).body, members))
            for depth in range(len(parts)):
                members.setdefault(".".join(parts[:depth]), set()).add(parts[depth])
        for path in others:
            words.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
        return cls(members, words)

    @property
    def all(self) -> set[str]:
        return set(self.members).union(*self.members.values())

    def has(self, dotted: str) -> bool:
        """Whether a name is defined in the package; a dotted one may begin with any module or class."""
        dotted = dotted.removeprefix("pytest_robustness.")
        if "." not in dotted:
            return dotted in self.all
        owner, last = dotted.rsplit(".", 1)
        known = self._ending(owner) or (self._ending(owner.rpartition(".")[2]) if self.has(owner) else [])
        return bool(self._ending(dotted)) or any(last in self.members[one] for one in known)

    def closest(self, name: str) -> str:
        """Return the real name that is most like ``name``: of its module or class, if that exists."""
        owner, _, last = name.removeprefix("pytest_robustness.").rpartition(".")
        known = (
            {""} if name.startswith("pytest_robustness.") and not owner else set(self._ending(owner) if owner else ())
        )
        members = set[str]().union(*(self.members[one] for one in known))
        if near := difflib.get_close_matches(last, sorted(members), n=1, cutoff=0.4):
            return near[0]
        if name.endswith("/"):
            return _closest(name.rstrip("/"), ROOMS)
        if "/" in name or name.endswith(".py"):
            files = {path.name: path.relative_to(PACKAGE).as_posix() for path in MODULES}
            return files.get(_closest(Path(name).name, set(files)), "none")
        return _closest(name, self.all)

    def _ending(self, dotted: str) -> list[str]:
        return [known for known in self.members if known and f".{known}".endswith(f".{dotted}")]


def _defined(body: list[ast.stmt], classes: dict[str, set[str]]) -> set[str]:
    """Return the names that statements define or import; the members of classes go into ``classes``."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.ClassDef):
            classes.setdefault(node.name, set()).update(_defined(node.body, classes))
            classes[node.name].update(
                *(classes.get(base.id, set()) for base in node.bases if isinstance(base, ast.Name))
            )
            found.add(node.name)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
            found.update(arg.arg for arg in (*node.args.args, *node.args.kwonlyargs))
            assigned = [inner for inner in ast.walk(node) if isinstance(inner, ast.Attribute)]
            found.update(inner.attr for inner in assigned if isinstance(inner.ctx, ast.Store))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update(name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.If):
            found.update(_defined(node.body, classes))
    return found


@pytest.fixture(scope="module")
def names() -> Names:
    folders = ("plugin", "robustness_tests", "examples", "benchmarks", "tests")
    suffixes = {".py", ".js", ".mjs", ".html", ".toml"}
    others = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    here = Path(__file__).resolve()
    return Names.of(PACKAGE, [ROOT / "pyproject.toml", *(path for path in others if path.resolve() != here)])


def spans(text: str) -> Iterator[tuple[int, str]]:
    """Yield the inline code of a page, without fences, with its line number."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield from ((number, span) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", line))


def wrong_options(text: str, *, with_keys: bool = True) -> Iterator[tuple[int, str, str]]:
    """Yield options, and ini keys, that do not exist: line, name, the closest real name."""
    flags, keys = {spec.flag for spec in SPECS}, {spec.key for spec in SPECS}
    for number, line in enumerate(text.splitlines(), 1):
        for name in re.findall(r"--robustness-[a-z]+(?:-[a-z]+)*", line):
            if name not in flags:
                yield number, name, _closest(name, flags)
        for name in re.findall(r"(?<![\w/.-])robustness_[a-z]+(?:_[a-z]+)*\b(?!\.)", line):
            if with_keys and name not in keys | {"robustness_tests"}:
                yield number, name, _closest(name, keys)


def wrong_names(text: str, names: Names) -> Iterator[tuple[int, str, str]]:
    """Yield inline code that names a path, class, function or attribute that does not exist."""
    for number, span in spans(text):
        # The arguments of a command; a name before its call, its index or its value; nothing of a sentence.
        head = re.match(r"[\w./-]+(?=$|[(=\[])", span)
        command = span.startswith(("python ", "pytest "))
        for token in span.split() if command else [head[0]] if head else []:
            if not _is_known(token, names):
                yield number, token, names.closest(token)


def _is_known(token: str, names: Names) -> bool:
    token = token.rstrip(",;:")
    if token in _OTHERS or token.startswith("reports/latest") or not re.fullmatch(r"[\w./-]*\w[\w./-]*/?", token):
        return True
    first = re.split(r"[./]", token.removeprefix("pytest_robustness.").removeprefix("pytest_robustness/"))[0]
    if "/" in token or token.endswith(".py"):
        if (first not in ROOMS | FOLDERS and not token.endswith((".py", "/"))) or token.startswith("."):
            return True  # a path of the user's
        return any((base / token).exists() for base in (ROOT, PACKAGE, PACKAGE.parent)) or _somewhere(token)
    if "." in token:
        parts = token.split(".")
        if parts[0] in ROOMS | {"pytest_robustness"} and not re.search(r"\.(json|npy|csv|html|md|sqlite)$", token):
            return names.has(token) or token.removeprefix("pytest_robustness.") in names.members
        if re.fullmatch(r"[A-Z][a-z]\w*", parts[0]):
            return names.has(token)
        return True
    if re.fullmatch(r"[A-Z]+[a-z]\w*", token):
        return token in names.all or hasattr(builtins, token)
    if re.fullmatch(r"_?[a-zA-Z]+(_[a-zA-Z0-9]+)+", token):
        return token in names.words
    return True


def _somewhere(token: str) -> bool:
    return "/" not in token and any(path.name == token for path in _files())


def _files() -> list[Path]:
    return [path for folder in sorted(FOLDERS - {"build", "dist"}) for path in (ROOT / folder).rglob("*.py")]


def _closest(name: str, known: set[str]) -> str:
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.4)), "none")


def wrong_links(page: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """Yield relative links that lead nowhere: to a file that is absent, or to a heading that is not on the page."""
    unfenced = re.sub(r"```.*?```", lambda fence: "\n" * fence[0].count("\n"), text, flags=re.DOTALL)
    for number, line in enumerate(unfenced.splitlines(), 1):
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            linked = (page.parent / path).resolve() if path else page
            if not linked.exists():
                beside = {other.name for other in linked.parent.glob("*")} if linked.parent.exists() else set()
                yield number, target, _closest(linked.name, beside)
            elif anchor:
                known = anchors(text if linked == page else linked.read_text(encoding="utf-8"))
                if anchor not in known:
                    yield number, target, _closest(anchor, known)


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def told(page: Path, found: Iterator[tuple[int, str, str]]) -> list[str]:
    """Return each wrong name as ``file:line: name (closest: ...)``."""
    where = page.relative_to(ROOT) if page.is_relative_to(ROOT) else page
    return [f"{where}:{number}: {name} does not exist (closest: {closest})" for number, name, closest in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_links_to_what_exists(page):
    assert told(page, wrong_links(page, page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_options_that_exist(page):
    assert told(page, wrong_options(page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_paths_classes_and_functions_that_exist(page, names):
    assert told(page, wrong_names(page.read_text(encoding="utf-8"), names)) == []


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every docstring, those after assignments too, with the line on which it begins."""
    for node in ast.walk(tree):
        body = getattr(node, "body", ())
        for statement in body if isinstance(body, list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value


def wrong_references(text: str, names: Names) -> Iterator[tuple[int, str, str]]:
    """Yield the names in single backticks of a module's docstrings that its package does not define."""
    for begin, docstring in docstrings(ast.parse(text)):
        for offset, line in enumerate(docstring.splitlines()):
            for name in re.findall(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)", line):
                known = names.has(name) or name in names.members or name in _OTHERS or hasattr(builtins, name)
                if (not known and name not in names.words) or (not known and "." in name):
                    yield begin + offset, name, _closest(name, names.all)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_docstring_refers_to_what_exists(path, names):
    text = path.read_text(encoding="utf-8")
    found = [*wrong_references(text, names), *wrong_options(text, with_keys=False)]
    assert told(path, iter(found)) == []


def test_the_findings_have_the_attributes_that_the_api_page_lists(names):
    """Each row: attributes, the findings that have them, or "all"."""
    kinds = ("ModelTest", "ClassTest", "ImageTest", "GateTest")
    table = (ROOT / "docs/api.md").read_text(encoding="utf-8").partition("| attribute | of |")[2]
    rows = [row.split("|") for row in table.splitlines() if row.startswith("| `")]
    assert len(rows) == table.partition("\n\n")[0].count("\n") - 1 > 5
    for _, attributes, owners, *_ in rows:
        for attribute in re.findall(r"`([\w.]+)`", attributes):
            for kind in re.findall(r"`(\w+)`", owners) or kinds:
                assert attribute.partition(".")[0] in names.members[kind], f"{kind}.{attribute}"


def test_the_api_page_has_every_public_name():
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    assert [name for name in pytest_robustness.__all__ if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize(
    ("text", "name", "closest"),
    [
        ("`analysis/verdict.py` judges", "analysis/verdict.py", "analysis/verdicts.py"),
        ("The `Pannel` of", "Pannel", "Panel"),
        ("The room `analyses/`", "analyses/", "analysis"),
        ("`core.Runtimes`", "core.Runtimes", "Runtime"),
        ("`ModelTest.impactd`", "ModelTest.impactd", "impacted"),
        ("`pytest_robustness.DataSourc`", "pytest_robustness.DataSourc", "DataSource"),
        ("`detectable_dropp` points", "detectable_dropp", "detectable_drop"),
        ("`python benchmarks/rule.py`", "benchmarks/rule.py", "analysis/baseline/rule.py"),
    ],
)
def test_the_checker_sees_a_wrong_name_and_names_a_real_one(text, name, closest, names):
    assert list(wrong_names(f"# Page\n\n{text}\n", names)) == [(3, name, closest)]


def test_the_checker_passes_what_exists(names):
    text = "`Cell`, `core.Runtime`, `ModelTest.impacted`, `analysis/`, `model_test(cell)`"
    assert list(wrong_names(text, names)) == []
    assert list(wrong_options("--robustness-alpha=1 `robustness_alpha` robustness_tests")) == []


def test_the_checker_sees_a_wrong_option_and_a_wrong_key():
    text = "pytest --robustness-alfa=0.1\n`robustness_limits`"
    assert list(wrong_options(text)) == [
        (1, "--robustness-alfa", "--robustness-alpha"),
        (2, "robustness_limits", "robustness_limit"),
    ]


def test_the_checker_sees_a_link_to_an_absent_file_and_to_an_absent_heading(tmp_path):
    (tmp_path / "other.md").write_text("# One\n\n## Two words, `three`\n")
    page = tmp_path / "page.md"
    links = [
        "[a](other.md) [b](othr.md)",
        "[c](other.md#two-words-three) [d](other.md#two-word)",
        "[e](#none) [f](https://x.y)",
    ]
    text = "\n".join(links)
    page.write_text(text)
    assert list(wrong_links(page, text)) == [
        (1, "othr.md", "other.md"),
        (2, "other.md#two-word", "two-words-three"),
        (3, "#none", "none"),
    ]


def test_the_checker_sees_a_wrong_reference_in_a_docstring(names):
    text = '"""See `core.Cell`, `Cell`, and `recordz.Cell`.\n\nAnd `Celll`.\n"""\n'
    assert [(line, name) for line, name, _ in wrong_references(text, names)] == [(1, "recordz.Cell"), (3, "Celll")]


def test_the_page_of_options_has_the_table():
    assert markdown_table() in (ROOT / "docs/options.md").read_text(encoding="utf-8")


def test_the_table_of_options_in_the_readme_has_their_defaults():
    """Each row names options, and where it gives their defaults in code, those of the table of options."""
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Options")[2].partition("\n## ")[0]
    specs = {spec.flag: spec for spec in SPECS}
    rows = [row.split(" | ")[:2] for row in table.splitlines() if row.startswith("| `--")]
    assert 9 < len(rows) < 15
    for options, defaults in rows:
        flags = [re.sub("=.*", "", flag) for flag in re.findall(r"`(--[^`]+)`", options)]
        given = re.findall(r"`([^`]+)`", defaults)
        assert given in ([], [specs[flag].default for flag in flags]), options
        if re.fullmatch(r"[\d.]+|all|none", defaults):
            expected = {specs[flag].shown_default.partition(";")[0] for flag in flags}
            assert {one.removesuffix(".0") for one in expected} <= {defaults, "the one of the same name"}, options


def test_the_page_of_the_command_has_every_command():
    rows = re.findall(r"^\| `(\w+)[^`]*` \|", (ROOT / "docs/command.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(cli.commands)


CLAIM = re.compile(
    r"(?<!no )\bclass(?:es)?\b(?:(?!no class)[^.;|:]){0,80}"
    r"\bshown to (?:have )?(?:chang|fall)\w*[^.;|:]{0,40}\b(?:more than|beyond)"
)


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("1 class is shown to have changed by more than 10 points", True),
        ("classes are shown to have fallen beyond the margin", True),
        ("no class shown to change by more than 10 points", False),
        ("1 class changed significantly and by more than 10 measured points", False),
        ("accuracy is shown to have fallen by more than the tolerance", False),
    ],
)
def test_a_claim_about_a_class_is_seen(text, claims):
    assert bool(CLAIM.search(text)) is claims


def test_no_text_says_that_a_class_is_shown_to_have_changed_by_more_than_the_margin():
    """What is tested is that it changed; by how much is measured (`significantly_beyond`)."""
    folders = ("plugin", "robustness_tests", "docs", "examples")
    files = [
        path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".md", ".html"}
    ]
    found = {}
    for path in [*files, ROOT / "README.md"]:
        # Texts are broken at any blank, and strings in the middle.
        text = re.sub(r'"\s*\n\s*f?"|\s+', " ", path.read_text(encoding="utf-8"))
        if claims := CLAIM.findall(text):
            found[str(path.relative_to(ROOT))] = claims
    assert found == {}
