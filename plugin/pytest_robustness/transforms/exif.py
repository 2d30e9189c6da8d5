"""The condition `exif`: what if the orientation tag of each file were obeyed?"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, ClassVar, Final

from pytest_robustness.core import OrientedSource
from pytest_robustness.core.errors import OptionError, TransformError
from pytest_robustness.transforms.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import Selection

# What a viewer does for each code: mirror left to right first where that is true, then as many quarter turns
# counter-clockwise. Code 1 asks for nothing.
_STEPS: Final[Mapping[int, tuple[bool, int]]] = {
    2: (True, 0),
    3: (False, 2),
    4: (True, 2),
    5: (True, 1),
    6: (False, 3),
    7: (True, 3),
    8: (False, 1),
}


def obey(images: torch.Tensor, code: int) -> torch.Tensor:
    """Turn and mirror ``images`` [..., H, W] as a viewer does for the EXIF orientation ``code``, 1 to 8."""
    import torch

    mirrored, quarters = _STEPS.get(code, (False, 0))
    return torch.rot90(images.flip(-1) if mirrored else images, quarters, (-2, -1))


@dataclasses.dataclass(frozen=True)
class ExifOrientation(Operation):
    """Applies each file's orientation tag; it has to be bound to the images of a run first.

    The tag is in the bytes of the file, of which an image's identity is the hash: no key needs to hold it.
    """

    needs_files: ClassVar[bool] = True

    @property
    def summary(self) -> str:
        """What a list of transforms says of it."""
        return "Turn and mirror each image as the EXIF orientation of its file says."

    def bound(self, selection: Selection) -> AppliedTags:
        """Return the operation on the images of ``selection``.

        Raises
        ------
        OptionError
            They are not files, so that they have no tags.
        """
        if not isinstance(selection.source, OrientedSource):
            raise OptionError(
                f"'exif' applies the orientation tags of image files, and {selection.source.name} has none to read. "
                f"Leave it out of --robustness-transforms, or name the files: --robustness-data=folder:PATH."
            )
        of_operation = {field.name: getattr(self, field.name) for field in dataclasses.fields(Operation)}
        return AppliedTags(**of_operation, selection=selection)

    def apply(
        self,
        images: torch.Tensor,  # noqa: ARG002 (the tags are not in the pixels)
        level: float | None,  # noqa: ARG002
        identities: NDArray[np.void],  # noqa: ARG002
        seed: int,  # noqa: ARG002
        draw: str = "",  # noqa: ARG002
    ) -> torch.Tensor:
        """Raise `TransformError`: the tags are not in the pixels."""
        raise TransformError("'exif' depends on the files of a run: call bound(selection) and apply what it returns.")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AppliedTags(ExifOrientation):
    """Applies the orientation tags of the images of one selection."""

    selection: Selection

    @functools.cached_property
    def _codes(self) -> Mapping[bytes, int]:
        """The code of each image that carries one other than 1, by identity; read once, when first applied."""
        source, indices = self.selection.source, self.selection.indices
        if not isinstance(source, OrientedSource):
            raise TypeError(f"{source.name} has no orientations")
        codes = zip(self.selection.identities, source.orientations(indices), strict=True)
        return {identity.tobytes(): int(code) for identity, code in codes if code != 1}

    def apply(
        self,
        images: torch.Tensor,
        level: float | None,  # noqa: ARG002 (it has a single level, and no draws)
        identities: NDArray[np.void],
        seed: int,  # noqa: ARG002
        draw: str = "",  # noqa: ARG002
    ) -> torch.Tensor:
        """Return a copy of ``images``, each turned by its tag.

        Raises
        ------
        TransformError
            A quarter turn would change the shape, because the images are not square.
        """
        result = images.clone()
        for row, identity in enumerate(identities):
            code = self._codes.get(identity.tobytes(), 1)
            if code == 1:
                continue
            turned = obey(images[row], code)
            if turned.shape != images[row].shape:
                height, width = images.shape[-2:]
                raise TransformError(
                    f"The orientation tag {code} asks for a quarter turn, and images of {width} x {height} pixels "
                    f"cannot keep their shape. Give the model Preprocess(resize=..., crop=...): it then sees squares."
                )
            result[row] = turned
        return result


EXIF: Final = ExifOrientation("exif", obey, levels=(), draws=0, version=1)
