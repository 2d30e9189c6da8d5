"""A tiny project that runs pytest with the plugin: images that are told apart at a glance, models that do so.

Slow tests run with ``--slow``, with ``-m``, and where their file or test is named; ``pytest tests`` leaves them out.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import importlib.metadata
import io
import itertools
import json
import os
import pkgutil
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import textwrap
from typing import TYPE_CHECKING, Any

import hypothesis
import jinja2
import numpy as np
import pandas as pd
import pytest
from _pytest import pytester as pytester_module
from execnet import gateway_io
from PIL import Image

from tests import warm
from tests.modules import Modules, imports_forgotten, modules_forgotten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import CodeType

    from jinja2.bccache import Bucket
    from numpy.typing import NDArray

    _CellName = tuple[str, str, int | None]

CLASSES = ("down", "up")
IMAGES_PER_CLASS = 20

# `slope` is turned round by a vertical flip, `colour` is not moved by anything but a change of colour.
NETS = '''
import torch
from pytest_robustness import Model

COUNT = "forwards.txt"


class Slope(torch.nn.Module):
    """Says up where the top is brighter than the bottom."""

    def forward(self, images):
        with open(COUNT, "a") as file:
            print(len(images), file=file)
        top, bottom = images.chunk(2, dim=2)
        up = 10 * (top - bottom).mean(dim=(1, 2, 3))
        return torch.stack([-up, up], dim=1)


class Colour(torch.nn.Module):
    """Says up where there is more red than blue."""

    def forward(self, images):
        up = 10 * (images[:, 0] - images[:, 2]).mean(dim=(1, 2))
        return torch.stack([-up, up], dim=1)


class Guess(torch.nn.Module):
    """Says down, whatever it sees."""

    def forward(self, images):
        return torch.tensor([[2.0, 0.0]]).expand(len(images), 2)


def slope():
    return Model(Slope(), classes=["down", "up"])


def tilt():
    return Model(torch.nn.Sequential(Slope()), classes=["down", "up"])


def colour():
    return Model(Colour(), classes=["down", "up"])


def guess():
    return Model(Guess(), classes=["down", "up"])
'''
# Turned upside down, a model whose weight is near 2 errs on some images: its two halves disagree.
MIXED = """

class Mixed(torch.nn.Module):
    def forward(self, images):
        return Slope()(images) + {weight} * Colour()(images)


def {name}():
    return Model(Mixed(), classes=["down", "up"])
"""

# Forty images without a change show no less than that accuracy stays within ten points.
_DEFAULTS = {
    "addopts": "-p no:hypothesispytest -p no:cacheprovider -W error",
    "robustness_data": "folder:photos",
    "robustness_models": "python:nets.py:slope python:nets.py:colour",
    "robustness_transforms": "vflip hflip",
    "robustness_workers": "0",
    "robustness_margin": "10",
    "robustness_tolerance": "10",
}


# A busy machine is no reason to fail: neither a time per example nor the time to draw one is limited.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

# The project is judged as on a developer's machine, wherever these tests run.
_CI = ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare ``--slow``."""
    parser.addoption("--slow", action="store_true", help="also run the tests that are marked slow")


def pytest_configure(config: pytest.Config) -> None:
    """Keep options of this run from the runs that tests start; divide the cores among the workers of xdist."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        # In the controller of xdist they must stay: its workers read them again.
        os.environ.pop("PYTEST_ADDOPTS", None)
    else:
        warm.share()
    # Before PyTorch is imported: it would take all cores in every worker.
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    if workers:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, _cores() // workers)))


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Iterator[None]:
    """Remove the temporary files of a run that passed: a later run would take minutes for a hundred thousand files.

    pytest can do so itself after each test, but then gives the next one a folder of the same name, and what Python and
    this package remember of files goes by their paths.
    """
    yield
    config = session.config
    if exitstatus == pytest.ExitCode.OK and not hasattr(config, "workerinput") and not config.option.basetemp:
        shutil.rmtree(config._tmp_path_factory.getbasetemp(), ignore_errors=True)  # type: ignore[attr-defined]


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say that slow tests are left out, and how to run them; under xdist the controller does not see them."""
    return None if _runs_all_tests(config) else "slow tests are left out: --slow, -m, or naming their file runs them"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the slow tests that the command line does not ask for; start with them where workers share the tests."""
    if not _runs_all_tests(config):
        named = _named_files(config)
        left_out = {item for item in items if item.get_closest_marker("slow") and item.path not in named}
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = items if workers == 1 else _slow_first(items, workers)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of workers of ``-n auto``: each of them holds PyTorch, so four are enough.

    One more than there are cores: a sixth of the time a worker waits, for a process to end or for a signal to be heard.
    """
    return min(4, _cores() + 1)


def _slow_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return ``items`` in an order of which each worker's share, an equal part, begins with its share of slow modules.

    Those with real data come first: they take longest. At the end the workers take quick tests from one another.
    """
    modules: dict[tuple[bool, bool, Path], list[pytest.Item]] = {}
    for item in items:
        real, slow = (item.get_closest_marker(name) is not None for name in ("real_data", "slow"))
        modules.setdefault((not real, not slow, item.path), []).append(item)
    slow = [group for key, group in sorted(modules.items(), key=lambda pair: pair[0][:2]) if not key[1]]
    quick = iter([item for item in items if item.get_closest_marker("slow") is None])
    # As xdist deals them out: the remainder of the division goes to the last workers.
    sizes = [(len(items) + worker) // workers for worker in range(workers)]
    shares = [list(itertools.chain.from_iterable(slow[worker::workers])) for worker in range(workers)]
    for share, size in zip(shares, sizes, strict=True):
        share += itertools.islice(quick, max(0, size - len(share)))
    return [*itertools.chain.from_iterable(shares), *quick]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _runs_all_tests(config: pytest.Config) -> bool:
    return bool(config.getoption("slow") or config.getoption("markexpr"))


def _named_files(config: pytest.Config) -> set[Path]:
    """Return the test files that the command line names, alone or with a test in them."""
    paths = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return {path.resolve() for path in paths if path.suffix == ".py"}


class Folder:
    """What a project needs of pytester, for a folder that several tests share."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def runpytest_subprocess(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in a process of its own."""
        done = subprocess.run(
            [*warm.python(), "-m", "pytest", "--rootdir=.", "--confcutdir=.", *arguments],
            cwd=self.path,
            env={name: value for name, value in os.environ.items() if name not in _CI} | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        return pytest.RunResult(done.returncode, done.stdout.splitlines(), done.stderr.splitlines(), 0.0)

    def runpytest_inprocess(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in this process."""
        return run_here(self.path, "utf-8", "--rootdir=.", "--confcutdir=.", *arguments)


def run_here(folder: Path, encoding: str, *arguments: str) -> pytest.RunResult:
    """Run pytest in this process and ``folder``, with a terminal of ``encoding``; what it imports is forgotten."""
    raw = [io.BytesIO(), io.BytesIO()]
    out, error = (io.TextIOWrapper(stream, encoding, write_through=True) for stream in raw)
    with imports_forgotten(), pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder):
        patch.setattr(sys, "path", sys.path.copy())
        for name in _CI:
            patch.delenv(name, raising=False)
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(gateway_io, "popen_args", _warm_worker)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            code = pytest.main([*arguments])
    printed, complained = (stream.getvalue().decode(encoding).splitlines() for stream in raw)
    return pytest.RunResult(code, printed, complained, 0.0)


_cold_worker = gateway_io.popen_args


def _warm_worker(spec: object) -> list[str]:
    """Return the command line of a worker of xdist that is forked from the process that has imported PyTorch."""
    return [*warm.python(), *_cold_worker(spec)[1:]]


@functools.cache
def _photos() -> dict[tuple[str, int], bytes]:
    """Return the images of a project as PNG files, by class and number."""
    rng = np.random.default_rng(0)
    found = {}
    for name in CLASSES:
        for number in range(IMAGES_PER_CLASS):
            pixels = rng.integers(0, 100, (8, 8, 3), dtype=np.uint8)
            pixels[:4] += 100 if name == "up" else 0
            pixels[4:] += 0 if name == "up" else 100
            pixels[..., 0 if name == "up" else 2] += 50
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "png")
            found[name, number] = file.getvalue()
    return found


class Project:
    """A folder with ``photos/{down,up}/NN.png`` (8x8), ``nets.py`` and a ``pytest.ini`` that names them."""

    def __init__(self, pytester: pytest.Pytester | Folder) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.configure()
        self.write("nets.py", NETS)
        for name in CLASSES:
            (self.path / "photos" / name).mkdir(parents=True)
            for number in range(IMAGES_PER_CLASS):
                self.image(name, number).write_bytes(_photos()[name, number])

    def image(self, name: str, number: int) -> Path:
        """Return the path of an image."""
        return self.path / "photos" / name / f"{number:02}.png"

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project, without the indent that its lines have in common."""
        path = self.path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def configure(self, **keys: str | None) -> None:
        """Write ``pytest.ini`` with ``keys`` in place of the defaults; ``None`` leaves one out."""
        values = {key: value for key, value in (_DEFAULTS | keys).items() if value is not None}
        self.write("pytest.ini", "\n".join(["[pytest]", *(f"{key} = {value}" for key, value in values.items())]))

    def add_mixed(self, name: str, weight: float) -> str:
        """Add a model that weighs `Colour` by ``weight`` against `Slope`; return its name."""
        nets = (self.path / "nets.py").read_text(encoding="utf-8")
        mixed = MIXED.replace("Mixed", name.capitalize()).format(weight=weight, name=name)
        self.write("nets.py", nets + mixed)
        return f"python:nets.py:{name}"

    def right(self, slope: float, colour: float, transform: str = "control") -> NDArray[np.bool_]:
        """Compute, from the files and without the plugin, which images a weighted sum of the two nets gets right.

        In the order of the data: the folders by name, in each the files by name.
        """
        axes = {"control": (), "vflip": (0,), "hflip": (1,)}[transform]
        answers = []
        for label, name in enumerate(CLASSES):
            for number in range(IMAGES_PER_CLASS):
                pixels = np.flip(np.asarray(Image.open(self.image(name, number)), np.float64), axes) / 255
                up = slope * (pixels[:4].mean() - pixels[4:].mean())
                up += colour * (pixels[..., 0].mean() - pixels[..., 2].mean())
                answers.append((up > 0) == bool(label))
        return np.array(answers)

    def judge(self, *arguments: str) -> pytest.RunResult:
        """Run the bundled suite in this process, which is quick."""
        return self.run("--pyargs", "robustness_tests", *arguments)

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in this process."""
        return self.pytester.runpytest_inprocess(*arguments)

    def print_in(self, encoding: str, *arguments: str) -> pytest.RunResult:
        """Run pytest in this process, on a terminal that has characters of ``encoding`` alone."""
        return run_here(self.path, encoding, *arguments)

    def judge_apart(self, *arguments: str) -> pytest.RunResult:
        """Run the bundled suite in a process of its own, as users do."""
        return self.pytester.runpytest_subprocess("--pyargs", "robustness_tests", *arguments)

    @property
    def forwards(self) -> int:
        """How many images `Slope` has seen so far, the first one that its outputs are counted on included."""
        path = self.path / "forwards.txt"
        return sum(map(int, path.read_text().split())) if path.exists() else 0

    def results(self, folder: str = "reports/latest") -> dict[str, Any]:
        """Return ``results.json``."""
        content: dict[str, Any] = json.loads((self.path / folder / "results.json").read_text(encoding="utf-8"))
        return content

    def table(self, name: str, folder: str = "reports/latest") -> pd.DataFrame:
        """Return ``accuracy.csv`` or ``tests.csv``."""
        return pd.read_csv(self.path / folder / name)

    def stored(self, path: str = ".robustness/store.sqlite") -> dict[_CellName, int]:
        """Return how many answers the store has by model, transform and severity; one computed twice counts twice."""
        sql = """
            SELECT description, coalesce(sum(size), 0) FROM cell
            LEFT JOIN prediction ON prediction.cell = cell.id LEFT JOIN block ON block.id = block GROUP BY cell.id
        """
        with contextlib.closing(sqlite3.connect(self.path / path)) as connection:
            rows = connection.execute(sql).fetchall()
        found: dict[_CellName, int] = {}
        for text, answers in rows:
            cell = json.loads(text)
            name = (cell["model"].rpartition(":")[2], cell["transform"], cell["severity"])
            found[name] = found.get(name, 0) + answers
        return found


class Compiled(jinja2.BytecodeCache):
    """Compiled templates in memory."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def templates_are_compiled_once() -> Iterator[None]:
    """Share compiled templates among all runs in this process; a user's run compiles them once too."""
    from pytest_robustness.report import markup

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markup, "Environment", functools.partial(markup.Environment, bytecode_cache=Compiled()))
        yield


@pytest.fixture(scope="session", autouse=True)
def packages_are_read_once() -> Iterator[None]:
    """Keep what installed packages say of themselves, and the hash of this one: each run reads the files of all."""
    from pytest_robustness.core.file_hashes import FileHashes
    from pytest_robustness.inference import remembered

    own = functools.cache(functools.partial(remembered._own_files, FileHashes()))
    place = sysconfig.get_path("purelib")

    def once(read: Callable[[importlib.metadata.Distribution], object]) -> property:
        known: dict[str, object] = {}

        def answer(package: importlib.metadata.Distribution) -> object:
            path = str(getattr(package, "_path", ""))
            if not path.startswith(place):
                return read(package)
            if path not in known:
                known[path] = read(package)
            return known[path]

        return property(answer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remembered, "_own_files", lambda _: own())
        for name in ("entry_points", "files", "metadata"):
            patch.setattr(importlib.metadata.Distribution, name, once(vars(importlib.metadata.Distribution)[name].fget))
        yield


@pytest.fixture(scope="session", autouse=True)
def runs_tidy_their_own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the runs that tests start a place of their own for temporary folders.

    A run removes old ones. From the place that all share it would take those of other runs of this suite, which takes
    minutes where their hundred thousand files are no longer in memory.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DEBUG_TEMPROOT", str(tmp_path_factory.mktemp("runs")))
        yield


@pytest.fixture(autouse=True, scope="module")
def nothing_to_collect() -> None:
    """Let the garbage collector pass over what is there: it is run at the end of each run of pytest that a test makes.

    PyTorch and nine thousand tests are some million objects, which take half a second each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def everything_imported() -> None:
    """Import all that a run imports: pytester forgets it after each run, and torch cannot be imported twice."""
    import sklearn.datasets  # noqa: F401

    import pytest_robustness

    for module in pkgutil.walk_packages(pytest_robustness.__path__, "pytest_robustness."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # of a package that is not installed: only what needs it fails
            if str(error.name).startswith("pytest_robustness"):
                raise
    with contextlib.suppress(ModuleNotFoundError):  # of Numba
        from pytest_robustness.transforms.cpu import probe

        probe.agrees()  # kernels that no earlier process has compiled are, and Numba imports the rest of itself
    Image.init()


@pytest.fixture(scope="session", autouse=True)
def libraries_stay() -> Iterator[None]:
    """Have pytester's runs, too, forget no library that bears being imported once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pytester_module, "SysModulesSnapshot", Modules)
        yield


@pytest.fixture
def warm_processes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the processes that pytester starts, and the workers of xdist, from one that has imported PyTorch."""
    monkeypatch.setattr(gateway_io, "popen_args", _warm_worker)
    monkeypatch.setattr(pytester, "_getpytestargs", lambda: (*warm.python(), "-mpytest"))


@pytest.fixture
def project(
    pytester: pytest.Pytester, everything_imported: None, warm_processes: None, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """The tiny project, in a folder of its own, with one thread for each process."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in _CI:
        monkeypatch.delenv(name, raising=False)
    return Project(pytester)


@pytest.fixture(scope="session")
def project_at(everything_imported: None) -> Callable[[Path], Project]:
    """Return what makes the tiny project in a folder that several tests share, run in processes of their own."""
    return lambda path: Project(Folder(path))


@pytest.fixture
def folder(tmp_path: Path, project_at: Callable[[Path], Project], monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The tiny project as the current directory, for tests that call the plugin's parts themselves."""
    for name in _CI:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with modules_forgotten(tmp_path):
        yield project_at(tmp_path)
