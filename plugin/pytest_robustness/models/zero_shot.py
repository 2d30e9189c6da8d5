"""A classifier made of a CLIP model: the classes are texts, and an image is of the class whose text is most like it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn
from torch.nn import functional

from pytest_robustness.core.defaults import CLIP_TEMPLATES
from pytest_robustness.core.errors import ModelError
from pytest_robustness.core.files import read_regular
from pytest_robustness.core.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_robustness.core import ClassLabel

# What `--robustness-clip-templates` takes besides a file.
SINGLE: Final = "a photo of a {}."
_WORDS: Final = (CLIP_TEMPLATES, "simple", "openai")
# Far more than the templates that anybody has.
_LARGEST: Final = 1 << 20


class ZeroShot(nn.Module):
    """Maps images to logits of classes that are given as features of texts.

    Parameters
    ----------
    visual
        Maps images [B, 3, H, W] to features [B, D], alone or first in a tuple.
    texts
        The features of the classes, of length 1: float [D, C].
    scale, bias
        Logits are the scaled cosines plus the bias.
    """

    texts: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor

    def __init__(self, visual: nn.Module, texts: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.visual = visual
        self.register_buffer("texts", texts)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits [B, C] of ``images``."""
        features = self.visual(images)
        if isinstance(features, tuple):  # CoCa's tower gives its tokens as well
            features = features[0]
        return self.scale * functional.normalize(features, dim=-1) @ self.texts + self.bias


def templates_of(named: str) -> Sequence[Callable[[str], str]]:
    """Return the sentences that class names are put into.

    Parameters
    ----------
    named
        ``single``: "a photo of a {}."; ``simple`` and ``openai``: the 7 and the 80 of open_clip, which OpenAI chose for
        ImageNet; else the path of a text file with one sentence a line, in which ``{}`` stands for the name.

    Raises
    ------
    ModelError
        There is no such file, or a line of it has no place for the name.
    """
    import open_clip

    if named == CLIP_TEMPLATES:
        return (SINGLE.format,)
    if named in _WORDS:
        known: Sequence[Callable[[str], str]] = open_clip.OPENAI_IMAGENET_TEMPLATES
        return known if named == "openai" else tuple(open_clip.SIMPLE_IMAGENET_TEMPLATES)
    try:
        lines = read_regular(Path(named), _LARGEST).decode().splitlines()
    except (OSError, ValueError) as error:
        raise ModelError(
            f"--robustness-clip-templates: {named!r} is neither one of {', '.join(_WORDS)} nor a readable text file: "
            f"{error}."
        ) from error
    found = [line.strip() for line in lines if line.strip()]
    wrong = [line for line in found if line.count("{}") != 1]
    if wrong or not found:
        shown = f"the line {quoted(wrong[0])}" if wrong else "no line"
        raise ModelError(
            f"--robustness-clip-templates: {named} has {shown}. Write one sentence a line, with {{}} once in each, "
            f"such as {SINGLE!r}"
        )
    # A brace that is no place for the name is part of the sentence.
    return [functools.partial(_filled, line) for line in found]


def _filled(line: str, name: str) -> str:
    return line.replace("{}", name)


def prompts_of(classes: Sequence[ClassLabel]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return how the classes are called in sentences, and what they are called by the data.

    They are the classes of the data; where these are ImageNet's, by their WordNet ids, and where there are none, all
    thousand of ImageNet, by the names that open_clip has for them.
    """
    import open_clip
    from timm.data import ImageNetInfo

    wnids = tuple(ImageNetInfo("imagenet-1k").label_names())
    if {label.key for label in classes} <= {*wnids}:
        return tuple(open_clip.IMAGENET_CLASSNAMES), wnids
    return tuple(label.name.replace("_", " ") for label in classes), tuple(label.name for label in classes)


@torch.no_grad()
def zero_shot(model: Any, tokenizer: Any, names: Sequence[str], templates: Sequence[Callable[[str], str]]) -> ZeroShot:
    """Return the classifier of ``names`` that a CLIP model of open_clip makes; the texts are read now, once.

    The feature of a class is the mean over the templates of features of length 1, again brought to length 1.
    """
    import open_clip

    model = model.float().eval()
    texts = open_clip.build_zero_shot_classifier(model, tokenizer, names, templates)
    bias = getattr(model, "logit_bias", None)
    shift = torch.zeros(()) if bias is None else bias.detach().reshape(())
    return ZeroShot(model.visual, texts, model.logit_scale.detach().exp().reshape(()), shift.clone())
