"""Modules without random parameters, where published weights are about to replace all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.nn import init
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# What layers call of their own accord. Not the methods of tensors: others draw by them until they like what they get.
_DRAWING = {init.uniform_, init.normal_, init.kaiming_uniform_}


class BlankParameters(TorchFunctionMode):
    """Within it, the parameters of new layers are whatever was in their memory.

    Only for modules that a strict ``load_state_dict`` fills afterwards. Drawing is most of the time that VGG takes to
    load.
    """

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the tensor as it is in place of filling it with draws."""
        kwargs = kwargs or {}
        if function in _DRAWING:
            return kwargs["tensor"]
        return function(*args, **kwargs)
