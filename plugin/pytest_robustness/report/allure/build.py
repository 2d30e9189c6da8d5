"""Build the Allure 3 report of a run: two self-contained files, the results test by test and the dashboard."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.files import publish, write_atomically
from pytest_robustness.core.text import counted
from pytest_robustness.report.allure import npm
from pytest_robustness.report.allure.facts import ALL_MODELS
from pytest_robustness.report.allure.history import read
from pytest_robustness.report.allure.run_files import CATEGORIES, METRIC

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_robustness.report.run_report import RunReport

_log = logging.getLogger(__name__)

# Of the name of an Allure environment, and of what is left of it where a number is added.
_LONGEST, _NUMBERED = 64, 56
PAGES = {"awesome": "index.html", "dashboard": "dashboard.html"}
_CHARTS = (
    {"type": "currentStatus", "title": "Results"},
    {"type": "problemsDistribution", "by": "environment", "title": "Models by transforms: share not robust"},
    {"type": "testResultSeverities", "title": "Results by effect", "levels": ["critical", "normal", "minor"]},
    {"type": "statusDynamics", "title": "Results over the runs"},
    {"type": "statusTransitions", "title": "Fixed and regressed since the run before"},
)
# Allure 3.18 writes Google's analytics into every page, and no option of allurerc prevents it
# (https://github.com/allure-framework/allure3/issues/476). A report on unpublished models must send nothing.
_ANALYTICS = re.compile(
    r"<script[^>]*\ssrc=\"https://www\.googletagmanager\.com/[^\"]*\"[^>]*></script>\s*<script>[^<]*gtag\([^<]*</script>"
)

# With nine transforms the percentages that Allure writes into the squares of its map overlap, and no option hides them.
# The rule does nothing where its selector is unknown.
_STYLE = '<style>g[data-testid^="cell."] text { display: none }</style>'


class Built(NamedTuple):
    """What came of a build: the broken rules of the quality gate, and the history with this run as its last line."""

    broken: list[str]
    history: list[str]


def build(
    report: RunReport, results: Path, folder: Path, history: Sequence[str], gate: Sequence[tuple[str, float]]
) -> Built:
    """Write ``index.html`` and ``dashboard.html`` into ``folder``.

    Parameters
    ----------
    results
        The folder of Allure results.
    history
        The lines of earlier runs: see `history.read`.
    gate
        The rules of Allure's quality gate by name, with their values.

    Raises
    ------
    RobustnessError
        When there is no Node, Allure cannot be installed or fails, does not read every result or does not judge every
        rule of the gate, or a folder cannot be written.
    """
    found = len(list(results.glob("*-result.json")))
    if not found:
        raise RobustnessError(f"There are no results in {results}.")
    programs = npm.find_node()
    home = npm.install(programs)
    with _scratch() as work:
        past = work / "history.jsonl"
        write_atomically(past, "".join(f"{line}\n" for line in history))
        write_atomically(work / "job.json", json.dumps(_job(report, results, work, past, gate)))
        said = npm.run(programs, [str(home / "build.mjs"), str(work / "job.json")], work)
        broken = _broken(said, gate, found)
        written = {name: work / "report" / plugin / "index.html" for plugin, name in PAGES.items()}
        pages = {name: finished(page.read_text(encoding="utf-8")) for name, page in written.items()}
        extended = read(past)
    publish(pages, folder, "--robustness-allure-report")
    return Built(broken, extended)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder that is removed again.

    Raises
    ------
    RobustnessError
        When something within the block cannot be read or written there.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="allure-") as scratch:
            yield Path(scratch)
    except OSError as error:
        _log.debug("Allure's report cannot be prepared", exc_info=True)
        raise RobustnessError(
            f"It cannot be prepared in {tempfile.gettempdir()}: {error.strerror}. Make room there, or name another "
            f"folder with the environment variable TMPDIR; nothing has to be computed again."
        ) from error


def _broken(said: str, gate: Sequence[tuple[str, float]], results: int) -> list[str]:
    """Return the messages of the broken rules.

    Raises
    ------
    RobustnessError
        When Allure has not read as many ``results`` as there are, or not judged each rule of ``gate``.
    """
    try:
        answer = json.loads(said.splitlines()[-1])
        read = int(answer["read"])
        rules = {rule["rule"]: (rule["success"], rule["message"]) for rule in answer["gate"]}
        broken = [str(message) for success, message in rules.values() if success is not True]
    except (ValueError, LookupError, TypeError) as error:
        _log.debug("Allure printed %r", said, exc_info=True)
        raise RobustnessError("Allure has not said what came of its quality gate.") from error
    if read != results:
        raise RobustnessError(f"Allure has read {read} of {counted(results, 'result')}.")
    left = [name for name, _ in gate if name not in rules]
    if left:
        raise RobustnessError(f"Allure has not judged {', '.join(left)}.")
    return broken


def finished(page: str) -> str:
    """Return an Allure page that requests nothing, with a map of models and transforms that can be read.

    Raises
    ------
    RobustnessError
        When the page still names the analytics host, so that another version of Allure is noticed.
    """
    # The icon is a file of Allure's output folder, of which the page alone is kept.
    found = _ANALYTICS.sub("", page).replace('href="favicon.ico"', 'href="data:,"')
    if "googletagmanager" in found:
        raise RobustnessError("Allure's page holds an analytics script that cannot be removed; the page was not kept.")
    return found.replace("</head>", f"{_STYLE}\n</head>", 1)


def environments(models: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Return an Allure environment for each model, given by name and label, with a unique name and id.

    Allure accepts ``[A-Za-z0-9_-]`` in an id; in a name neither slashes nor control characters, and 64 characters.
    """
    found: list[dict[str, str]] = []
    names: set[str] = set()
    for model, label in [*models, (ALL_MODELS, ALL_MODELS)]:
        name = _free(_environment_name(label), names)
        found.append({"id": f"model-{len(names)}", "name": name, "model": model})
    return found


def _environment_name(label: str) -> str:
    plain = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f/\\\ufeff]", "_", label).split())
    return _cut(plain, _LONGEST) or "model"


def _cut(name: str, most: int) -> str:
    # JavaScript counts UTF-16 units.
    return name.encode("utf-16-le")[: 2 * most].decode("utf-16-le", "ignore").strip(" .")


def _free(name: str, taken: set[str]) -> str:
    """Return ``name``, numbered where it is taken, and take it."""
    numbered = (f"{_cut(name, _NUMBERED)}-{number}" for number in itertools.count(2))
    free = next(other for other in itertools.chain([name], numbered) if other not in taken)
    taken.add(free)
    return free


def _job(
    report: RunReport, results: Path, work: Path, history: Path, gate: Sequence[tuple[str, float]]
) -> dict[str, Any]:
    transforms = {condition.transform for condition in report.conditions}
    metrics = {
        METRIC + str(test.condition): {
            "title": report.condition_label(test.condition),
            "unit": "classes",
            "better": "lower",
            "group": "sensitive",
        }
        for test in report.class_tests
    }
    return {
        "name": f"Robustness on {report.provenance['dataset']['name']}",
        # Node runs elsewhere.
        "results": str(results.resolve()),
        "output": str(work / "report"),
        "history": str(history),
        "environments": environments([(model, report.labels[model]) for model in report.models]),
        "categories": CATEGORIES,
        "performance": {"groups": {"sensitive": {"title": "Sensitive classes"}}, "metrics": metrics},
        # Within a model, a suite for each transform is useful only if transforms have several severities.
        "groupBy": ["parentSuite", "suite"] if len(report.conditions) > len(transforms) else ["parentSuite"],
        "charts": _CHARTS,
        "gate": dict(gate) or None,
    }
