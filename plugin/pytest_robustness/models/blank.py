"""Build modules without drawing random parameters, because published weights replace all of them.

PyTorch's own way, ``torch.device("meta")`` with ``load_state_dict(assign=True)``, cannot build torchvision's RegNets,
whose builder computes with tensors, and would leave the parameters of a safetensors file mapped to the file on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.nn import init
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The initializers that layers call. Tensor methods are left alone: rejection sampling (trunc_normal_) uses them.
_DRAWING = {init.uniform_, init.normal_, init.kaiming_uniform_}


class BlankParameters(TorchFunctionMode):
    """Leave the parameters of new layers uninitialized.

    Only for modules that a strict ``load_state_dict`` fills afterwards. Drawing random numbers is most of the time that
    VGG takes to load.
    """

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Skip an initializer and return its tensor as it is; call any other function."""
        kwargs = kwargs or {}
        if function in _DRAWING:
            return kwargs["tensor"]
        return function(*args, **kwargs)
