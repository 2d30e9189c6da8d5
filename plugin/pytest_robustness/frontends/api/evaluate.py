"""Judge models from Python: what the bundled tests ask, without pytest."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_robustness.analysis.studies import PARITY
from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.core.arithmetic import numpy_defaults
from pytest_robustness.core.defaults import UNNAMED_DATA
from pytest_robustness.core.errors import OptionError, RobustnessError
from pytest_robustness.core.undoing import interrupts_undone, let_go
from pytest_robustness.frontends.api.arguments import ARGUMENTS, EvaluationOptions, options_from
from pytest_robustness.frontends.api.evaluation import Evaluation
from pytest_robustness.frontends.api.given import given, require_names
from pytest_robustness.frontends.session.options import RunMode
from pytest_robustness.frontends.session.progress import BarProgress, LineProgress, SilentProgress, to_stderr
from pytest_robustness.frontends.session.session import RobustnessSession
from pytest_robustness.inference.run_log import StudyRequest
from pytest_robustness.inference.user_calls.aspects import every_aspect
from pytest_robustness.transforms import builtin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    from pytest_robustness.core import Progress
    from pytest_robustness.transforms import Registry

_log = logging.getLogger(__name__)


@interrupts_undone(every_aspect)
@numpy_defaults
def evaluate(
    models: str | Sequence[str] | Mapping[str, Any] | None = None,
    data: Any = None,
    transforms: str | Sequence[str] | None = None,
    *,
    register: Callable[[Registry], object] | None = None,
    progress: bool = True,
    **options: Unpack[EvaluationOptions],
) -> Evaluation:
    """Judge how sensitive models are to transforms, and which classes break.

    It asks what the bundled tests ask, of the same store: a later run of pytest computes none of it again.

    Parameters
    ----------
    models
        Names, as ``--robustness-models`` takes them; or models by a name of your choice, each a
        `pytest_robustness.Model` or a ``torch.nn.Module``, of which a copy is judged. Left out: the twelve that fit
        the data.
    data
        A name, as ``--robustness-data`` takes it; or a `pytest_robustness.DataSource`, or a dataset of torchvision's
        kind. Left out: the embedded digits.
    transforms
        Names, as ``--robustness-transforms`` takes them. Left out: the nine of the article, and those that ``register``
        adds.
    register
        Called with the registry of transforms, to add your own, as the hook ``pytest_robustness_register`` is.
    progress
        Whether to show how far the computation is.
    **options
        Every option that says what to judge, and how, by its name: ``severity=[1, 3, 5]``, ``limit=100``,
        ``device="cuda"``, ``store="runs.sqlite"``. ``None`` is the default of the command line. Configuration files of
        pytest are not read.

    Returns
    -------
    Evaluation
        The findings. A model that cannot be judged is in its ``errors``; the others are judged.

    Raises
    ------
    OptionError
        On an argument that is not known, does nothing without another, or whose value is not valid.
    BaselineError
        The baseline cannot be used, or with ``update_baseline`` not be written.
    DataError
        The data cannot be read.
    RobustnessError
        No model could be judged; the message is the first one's reason.
    """
    found = given(models, data)
    named = {"models": list(found.models) or models, "data": data if found.data is None else UNNAMED_DATA}
    registry = builtin()
    if register is not None:
        register(registry)
    chosen = options_from({**named, "transforms": transforms, **options}, Path.cwd())
    require_names(found, chosen)
    return _judged(RobustnessSession(chosen, registry, lambda: _display(progress), given=found), _display(progress))


def _judged(session: RobustnessSession, display: Progress) -> Evaluation:
    try:
        _ask(session)
        evaluation = Evaluation(session)
        _require_findings(evaluation)
        for line in session.update_baseline():
            display.note(line)
    except BaseException as error:
        if not isinstance(error, Exception):
            let_go(error)  # a transaction is rolled back before the store is closed
        session.close()
        raise
    return evaluation


def _require_findings(evaluation: Evaluation) -> None:
    if not evaluation.findings:
        raise RobustnessError(next(iter(evaluation.errors.values()), "Nothing was judged."))


def _ask(session: RobustnessSession) -> None:
    """Ask what the bundled tests ask; what fails is in the run log, and the rest goes on."""
    conditions, models = session.requests.conditions, session.requests.require_models()
    cells = [Cell(model, condition) for condition in conditions for model in models]
    compared = session.options.mode in (RunMode.COMPARE, RunMode.CANDIDATE)
    judged = session.options.mode is not RunMode.CANDIDATE
    panels = [Panel(condition, models) for condition in conditions] if judged else []
    controls = [Cell(model, CONTROL) for model in models]
    exports = session.requests.exports(models) if session.options.reference is not None else ()
    exported = [Cell(model, condition) for condition in (CONTROL, *conditions) for model in exports]
    session.plan([*controls, *cells, *panels], [StudyRequest(PARITY, cell) for cell in exported])
    session.open_data()
    for cell in cells if judged else []:
        _try(session.model_test, cell)
    for panel in panels:
        _try(session.class_test, panel)
    for cell in [*controls, *cells] if compared else []:
        _try(session.gate_test, cell)
    for cell in exported:
        _try(functools.partial(session.study, PARITY), cell)


def _try(ask: Callable[[Any], object], subject: Cell | Panel) -> None:
    try:
        ask(subject)
    except OptionError:
        raise
    except RobustnessError:
        _log.debug("%s could not be judged", subject, exc_info=True)


def _display(shown: bool) -> Progress:
    if not shown:
        return SilentProgress()
    return BarProgress(contextlib.nullcontext) if sys.stderr.isatty() else LineProgress(to_stderr)


def _signature() -> Any:
    """Return the signature of `evaluate` with every option by name, for notebooks that complete arguments by it."""
    import inspect

    own = inspect.signature(evaluate)
    kept = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
        for name in ARGUMENTS
        if name not in own.parameters
    ]
    return own.replace(parameters=[*kept, *more])


evaluate.__signature__ = _signature()  # type: ignore[attr-defined]
