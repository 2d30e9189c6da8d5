"""Turn the names that options, markers and tests use into models, conditions, cells and panels."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.text import is_printable, quoted
from pytest_robustness.frontends.session.judging import reference_of, severities_of, severity_of
from pytest_robustness.models.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_robustness.frontends.session.options import Options
    from pytest_robustness.models import ModelZoo
    from pytest_robustness.transforms import Registry

_log = logging.getLogger(__name__)

_DEFAULT_MODELS = {"digits": "digits12", "imagenet": "imagenet12", "imagenette": "imagenet12"}


class Requests:
    """Resolves names against the known models and transforms.

    Parameters
    ----------
    options
        What the user asked for.
    zoo, registry
        The known models and transforms.
    baseline
        Returns the conditions of the baseline that a candidate is compared with; none in another run.

    Attributes
    ----------
    zoo
        The known models.
    models
        Those of the options, in their order. There are no models if the dataset has no default models and none were
        given: then tests must name theirs.

    Raises
    ------
    OptionError
        When a model is not known.
    """

    def __init__(
        self, options: Options, zoo: ModelZoo, registry: Registry, baseline: Callable[[], Sequence[Condition]] = tuple
    ) -> None:
        self._options = options
        self.zoo = zoo
        self._registry = registry
        named = options.models if options.candidate is None else (options.candidate,)
        named = named or _default_models(options.data)
        self.models = self.expand_models(named) if named else ()
        self._baseline = baseline

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of the options, in their order.

        A candidate whose options name neither transforms nor severities has those of the baseline.

        Raises
        ------
        OptionError
            When a transform or a severity is not known, or not yet: tests collected so far may register more.
        """
        recorded = self._baseline()
        if self._options.transforms or not recorded:
            return self.expand_conditions(self._options.transforms or self._registry.names())
        if self._options.severity:
            return self.expand_conditions(tuple(dict.fromkeys(condition.transform for condition in recorded)))
        level = severity_of(self._options)
        known = (self._registry.conditions([one.transform], [one.severity or level]) for one in recorded)
        return tuple(condition for conditions in known for condition in conditions)

    def require_severities(self) -> None:
        """Raise `OptionError` for a severity of the options that no transform has: once all are registered."""
        self._registry.require_severities(self._options.severity or ())

    @property
    def several_severities(self) -> bool:
        """Whether a transform alone does not name a condition of the options."""
        return len({condition.severity for condition in self.conditions} - {None}) > 1

    def exports(self, models: Sequence[str]) -> tuple[str, ...]:
        """Return ``models`` without the one that they were exported from.

        Raises
        ------
        OptionError
            When there is no other.
        """
        reference = reference_of(self._options, self.zoo)
        exports = tuple(model for model in models if model != reference)
        if not exports:
            raise OptionError(
                f"{reference} is the reference of --robustness-reference, and the only model. Name those that were "
                f"exported from it with --robustness-models."
            )
        return exports

    def require_models(self) -> tuple[str, ...]:
        """Return the models of the options, for a test that names none.

        Raises
        ------
        OptionError
            When there are none.
        """
        if not self.models:
            raise OptionError(
                f"Which models are to be judged on {self._options.data}? Name them with --robustness-models; "
                f"only {', '.join(sorted(_DEFAULT_MODELS))} have models of their own."
            )
        return self.models

    def expand_models(self, names: str | Sequence[str]) -> tuple[str, ...]:
        """Return ``names``, at least one, with presets expanded and every name checked.

        Raises
        ------
        OptionError
            When a name is not known, or means ImageNet's model where the data is the embedded digits.
        """
        models = self.zoo.expand(_plain("models", _some("models", names)))
        if self._options.data == "digits":
            for name in models:
                own = f"digits:{name}"
                if own in PRESETS["digits12"] and name not in self.zoo.given:
                    raise OptionError(
                        f"{name!r} is torchvision's model, for ImageNet. On the embedded digits say {own!r}."
                    )
        return models

    def expand_conditions(self, transforms: str | Sequence[str]) -> tuple[Condition, ...]:
        """Return each of ``transforms``, at least one, at each severity of the options."""
        names = _plain("transforms", _some("transforms", transforms))
        return self._registry.conditions(names, severities_of(self._options))

    def condition(self, transform: str | Condition, severity: int | None = None) -> Condition:
        """Return a condition. Without a severity: the one of the options, or 3 where they name several."""
        if isinstance(transform, Condition):
            return transform
        if transform == CONTROL.transform:
            return CONTROL
        chosen = severity_of(self._options) if severity is None else severity
        return self._registry.conditions([transform], [chosen])[0]

    def has_levels(self, condition: Condition) -> bool:
        """Return whether the transform of a condition has magnitudes, which the worst of several draws has not."""
        try:
            self._registry.span(condition.transform)
        except OptionError:
            _log.debug("%s has no magnitudes", condition.transform, exc_info=True)
            return False
        return True

    def cell(self, model: str | Cell, transform: str | Condition, severity: int | None) -> Cell:
        """Return a cell; a `Cell` is returned as it is.

        Raises
        ------
        OptionError
            When ``model`` names several models, or one of the names is not known.
        """
        if isinstance(model, Cell):
            return model
        names = self.expand_models([model])
        if len(names) != 1:
            raise OptionError(f"{model!r} is a preset of {len(names)} models; name one model.")
        return Cell(names[0], self.condition(transform, severity))

    def panel(
        self, transform: str | Condition | Panel, severity: int | None, models: str | Sequence[str] | None
    ) -> Panel:
        """Return a panel; a `Panel` is returned as it is. Without models: those of the options."""
        if isinstance(transform, Panel):
            return transform
        names = self.require_models() if models is None else self.expand_models(models)
        return Panel(self.condition(transform, severity), names)


def require_transform(condition: Condition) -> None:
    """Raise `OptionError` when ``condition`` is control, which is what the others are compared with."""
    if condition == CONTROL:
        raise OptionError("control is what transforms are compared with. Name a transform.")


def _some(what: str, names: str | Sequence[str]) -> Sequence[str]:
    """Return ``names``, of which there must be at least one; a single text is one name."""
    if isinstance(names, str):
        return [names]
    if not names:
        raise OptionError(f"{what}=[] names none. Name at least one, or leave {what} out for those of the options.")
    return names


def _plain(what: str, names: Sequence[str]) -> Sequence[str]:
    """Return ``names``; refuse what is no text, or not one that can be shown."""
    for name in names:
        if not isinstance(name, str) or not is_printable(name):
            raise OptionError(f"{what} names {quoted(name)}. Valid: a text without control characters, in Unicode.")
    return names


def _default_models(spec: str) -> tuple[str, ...]:
    preset = _DEFAULT_MODELS.get(spec.partition(":")[0])
    return () if preset is None else (preset,)
