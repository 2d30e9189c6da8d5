"""Odd models: each a tiny classifier that PyTorch runs, or that a user may write by mistake."""

from __future__ import annotations

import collections
import functools
import os
import random
import sys
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SIDE = 8
CLASSES = 3


def linear(inputs: int = 3 * SIDE * SIDE) -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(inputs, CLASSES)


class Plain(nn.Module):
    """The net that the others do something odd to."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = linear(4 * SIDE * SIDE)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.conv(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).flatten(1))


def returning(wrap):
    """A model that wraps its logits in something."""

    class Returning(Plain):
        def forward(self, x):
            return wrap(super().forward(x), x)

    return Returning


def raising(error):
    class Raising(Plain):
        def forward(self, x):
            raise error()

    return Raising


# that run, in whatever form


class View(Plain):
    def forward(self, x):
        return self.head(self.features(x).view(len(x), -1))


class InputView(Plain):
    def forward(self, x):
        return super().forward(x.view(x.size(0), -1).view(x.shape))


class Strided(Plain):
    """Wrong, without an error, where the images are channels last."""

    def forward(self, x):
        return super().forward(x.as_strided(x.shape, (192, 64, 8, 1)))


class FiveDimensions(Plain):
    def __init__(self):
        super().__init__()
        self.conv3d = nn.Conv3d(1, 1, 3, padding=1)

    def forward(self, x):
        return super().forward(self.conv3d(x[:, None])[:, 0])


class WeightView(Plain):
    def forward(self, x):
        return self.head(
            functional.relu(functional.conv2d(x, self.conv.weight.view(-1).view(4, 3, 3, 3), padding=1)).flatten(1)
        )


class Tied(Plain):
    def __init__(self):
        super().__init__()
        self.other = self.conv

    def features(self, x):
        return functional.relu(self.other(x))


class OneByOne(Plain):
    def forward(self, x):
        assert len(x) == 1, "one image, please"
        return super().forward(x)


class Squeezes(Plain):
    def forward(self, x):
        return self.head(self.features(x).squeeze(0).flatten())[None]


class Four(Plain):
    def forward(self, x):
        return self.head(self.features(x).reshape(4, 4 * SIDE * SIDE))


class Inplace(Plain):
    def forward(self, x):
        x.mul_(2).clamp_(-1, 1)
        return super().forward(x)


class Fp32Constant(Plain):
    def __init__(self):
        super().__init__()
        self.constant = [torch.full((CLASSES, CLASSES), 0.5)]

    def forward(self, x):
        return super().forward(x) @ self.constant[0]


class Uncopyable(Plain):
    def __deepcopy__(self, memo):
        raise TypeError("there is only one of me")


class Lambda(Plain):
    def __init__(self):
        super().__init__()
        self.act = lambda x: functional.relu(x)  # cannot be pickled

    def features(self, x):
        return self.act(self.conv(x))


class Grad(Plain):
    """Needs gradients in its forward."""

    def forward(self, x):
        with torch.inference_mode(False), torch.enable_grad():
            leaf = x.clone().requires_grad_()
            super().forward(leaf).sum().backward()
            return (super().forward(leaf + leaf.grad)).detach()


class Moved(Plain):
    def forward(self, x):
        return super().forward(x).cpu()


class Loops(Plain):
    def forward(self, x):
        return torch.cat([super(Loops, self).forward(image[None]) for image in x])


class Branches(Plain):
    def forward(self, x):
        return torch.stack([row if row.sum() > 0 else 2 * row for row in super().forward(x)])


class Numpy(Plain):
    def forward(self, x):
        return super().forward(torch.from_numpy(np.tanh(x.float().numpy(force=True))))


class NoWeights(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Repr(Plain):
    def __repr__(self):
        raise RuntimeError("no words")


class Subclass(torch.Tensor):
    pass


class TrainMode(Plain):
    """Has dropout, and is returned in training mode."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def features(self, x):
        return self.dropout(super().features(x))


class Half(Plain):
    def __init__(self):
        super().__init__()
        self.half()


class Frozen(Plain):
    """Keeps its batch normalization in evaluation mode itself, as detectors do."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.norm.running_mean.fill_(0.1)

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self

    def features(self, x):
        return functional.relu(self.norm(self.conv(x)))


class Buffer(Plain):
    """Keeps the last batch: harmless."""

    def __init__(self):
        super().__init__()
        self.last = None

    def forward(self, x):
        self.last = x
        return super().forward(x)


class Recursion(Plain):
    def forward(self, x, depth=200):
        return super().forward(x) if depth == 0 else self.forward(x, depth - 1)


def scripted():
    return torch.jit.script(Plain().eval())


class Fails(Plain):
    def forward(self, x):
        if x.size(1) == 3:
            raise RuntimeError("no photographs here")
        return self.head(self.features(x).flatten(1))


def scripted_and_failing():
    return torch.jit.script(Fails().eval())


def traced():
    return torch.jit.trace(Plain().eval(), torch.zeros(2, 3, SIDE, SIDE))


def traced_four():
    return torch.jit.trace(Four().eval(), torch.zeros(4, 3, SIDE, SIDE))


def frozen_script():
    return torch.jit.freeze(torch.jit.script(Plain().eval()))


def exported():
    batch = torch.export.Dim("batch", min=1, max=1024)
    example = (torch.zeros(2, 3, SIDE, SIDE),)
    return torch.export.export(Plain().eval(), example, dynamic_shapes=({0: batch},)).module()


def exported_up_to(most):
    def make():
        batch = torch.export.Dim("batch", min=1, max=most)
        example = (torch.zeros(2, 3, SIDE, SIDE),)
        return torch.export.export(Plain().eval(), example, dynamic_shapes=({0: batch},)).module()

    return make


def exported_five():
    return torch.export.export(Plain().eval(), (torch.zeros(5, 3, SIDE, SIDE),)).module()


def fx():
    return torch.fx.symbolic_trace(Plain().eval())


def quantized():
    return torch.ao.quantization.quantize_dynamic(Plain().eval(), {nn.Linear}, torch.qint8)


def parametrized():
    model = Plain()
    nn.utils.parametrizations.weight_norm(model.conv)
    return model


def hooked():
    model = Plain()
    model.register_forward_hook(lambda module, args, output: output * 2)
    return model


def pruned():
    from torch.nn.utils import prune

    model = Plain()
    prune.l1_unstructured(model.conv, "weight", 0.5)
    return model


def inference_weights():
    with torch.inference_mode():
        return Plain()


def no_grad_weights():
    return Plain().requires_grad_(False)


# that answer by the neighbours, or by chance


class Normalizes(Plain):
    """Normalizes by the statistics of the batch, in evaluation mode too."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)

    def features(self, x):
        return functional.relu(self.norm(self.conv(x)))


class AlwaysTraining(Plain):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4)

    def features(self, x):
        self.norm.train()
        return functional.relu(self.norm(self.conv(x)))


class FlatTraining(Plain):
    """Batch normalization of vectors, which refuses one alone."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(CLASSES)

    def forward(self, x):
        self.norm.train()
        return self.norm(super().forward(x))


class BatchSoftmax(Plain):
    def forward(self, x):
        return super().forward(x).softmax(dim=0)


class BatchMean(Plain):
    def forward(self, x):
        return super().forward(x - x.mean(0, keepdim=True))


class BatchMaximum(Plain):
    def forward(self, x):
        return super().forward(x / x.abs().max() * 3)


class Rolls(Plain):
    def forward(self, x):
        return super().forward(x).roll(1, 0)


class DropsAlways(Plain):
    def features(self, x):
        return functional.dropout(super().features(x), 0.5)


class Draws(Plain):
    def forward(self, x):
        return super().forward(x + torch.randn_like(x))


class Remembers(Plain):
    def __init__(self):
        super().__init__()
        self.count = 0

    def forward(self, x):
        self.count += 1
        return super().forward(x) * self.count


# that return something else, or fail


class WordlessError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class NoWordsError(Plain):
    def forward(self, x):
        raise WordlessError


def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(CLASSES))


def meta():
    return Plain().to("meta")


class OtherSize(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = linear(7)

    def forward(self, x):
        return self.head(x.flatten(1))


class Exits(Plain):
    def forward(self, x):
        sys.exit(3)


class HardExits(Plain):
    def forward(self, x):
        os._exit(0)


class Interrupts(Plain):
    def forward(self, x):
        raise KeyboardInterrupt


Output = collections.namedtuple("Output", "logits aux")


class Attributes(collections.UserDict):
    """As transformers' ModelOutput: entries that are attributes too."""

    def __getattr__(self, name):
        try:
            return self.__dict__["data"][name]
        except KeyError:
            raise AttributeError(name) from None


RUN = {
    "plain": Plain,
    "view": View,
    "view of the input": InputView,
    "strides": Strided,
    "five dimensions": FiveDimensions,
    "view of a weight": WeightView,
    "tied": Tied,
    "one image at a time": OneByOne,
    "squeezes": Squeezes,
    "four at a time": Four,
    "in place": Inplace,
    "fp32 constant": Fp32Constant,
    "uncopyable": Uncopyable,
    "lambda": Lambda,
    "gradients": Grad,
    "answers on the CPU": Moved,
    "loops": Loops,
    "branches": Branches,
    "NumPy inside": Numpy,
    "no weights": NoWeights,
    "training mode": TrainMode,
    "half": Half,
    "frozen normalization": Frozen,
    "keeps the batch": Buffer,
    "recursion": Recursion,
    "scripted": scripted,
    "traced": traced,
    "traced for four": traced_four,
    "frozen script": frozen_script,
    "exported": exported,
    "exported for five": exported_five,
    "exported for up to three": exported_up_to(3),
    "fx": fx,
    "parametrized": parametrized,
    "hooked": hooked,
    "pruned": pruned,
    "inference weights": inference_weights,
    "weights without gradients": no_grad_weights,
    "named tuple": returning(lambda y, _: Output(y, None)),
    "dict": returning(lambda y, _: {"logits": y, "features": None}),
    "object": returning(lambda y, _: SimpleNamespace(logits=y)),
    "ModelOutput": returning(lambda y, _: Attributes(logits=y)),
    "tuple of one": returning(lambda y, _: (y,)),
    "list of one": returning(lambda y, _: [y]),
    "tensor subclass": returning(lambda y, _: y.as_subclass(Subclass)),
    "double logits": returning(lambda y, _: y.double()),
    "bfloat16 logits": returning(lambda y, _: y.bfloat16()),
    "logits with gradients": returning(lambda y, _: y.clone()),
    "expanded logits": returning(lambda y, x: y[:1, :1].expand(len(x), CLASSES) * 0),
    "transposed logits": returning(lambda y, _: y.T.contiguous().T),
    "an output ruled out": returning(lambda y, _: y.index_fill(1, torch.tensor([1]), -torch.inf)),
}
NEIGHBOURS = {
    "batch statistics": Normalizes,
    "normalization in training mode": AlwaysTraining,
    "normalization of vectors": FlatTraining,
    "softmax over the batch": BatchSoftmax,
    "mean of the batch": BatchMean,
    "maximum of the batch": BatchMaximum,
    "rolls": Rolls,
}
_DRAWS = "draws random numbers when it answers, from PyTorch's generator: its logits of the same images differ by "
CHANCE = {
    "dropout always": (DropsAlways, _DRAWS),
    "draws": (Draws, _DRAWS),
    "remembers": (Remembers, "answers the same images in two ways (its logits differ by "),
}
REFUSED = {
    "tuple": (returning(lambda y, _: (y, y)), "it returned a tuple of 2. Return the logits alone"),
    "other dict": (returning(lambda y, _: {"out": y}), "a dict with the keys 'out'"),
    "None": (returning(lambda y, _: None), "it returned NoneType"),
    "text": (returning(lambda y, _: "cat"), "it returned str"),
    "array": (returning(lambda y, _: y.numpy()), "it returned ndarray"),
    "extra rows": (returning(lambda y, _: torch.cat([y, y[:1]])), "2 rows where there must be one for each image"),
    "rows of another": (returning(lambda y, _: y[:0]), "0 rows where there must be one for each image"),
    "classes only": (returning(lambda y, _: y.argmax(1)), "torch.int64 [1]"),
    "integers": (returning(lambda y, _: y.long()), "torch.int64 [1, 3]"),
    "booleans": (returning(lambda y, _: y > 0), "torch.bool [1, 3]"),
    "complex": (returning(lambda y, _: y + 1j), "torch.complex64 [1, 3]"),
    "maps": (returning(lambda y, _: y[..., None, None]), "call flatten(1)"),
    "three dimensions": (returning(lambda y, _: y[None]), "torch.float32 [1, 1, 3]"),
    "no outputs": (returning(lambda y, _: y[:, :0]), "torch.float32 [1, 0]"),
    "meta logits": (returning(lambda y, _: y.to("meta")), "on the meta device"),
    "sparse logits": (returning(lambda y, _: y.to_sparse()), "call to_dense()"),
    "lazy": (lazy, "of a lazy module has no value yet"),
    "meta weights": (meta, "is on the meta device and has no value"),
    "one logit": (returning(lambda y, _: y[:, 0]), "make torch.stack([torch.zeros_like(z), z], 1)"),
    "one channel": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), linear(4 * (SIDE - 2) ** 2)),
        (
            "It takes images of one channel, and these have red, green and blue: let its forward begin with images = "
            "images.mean(1, keepdim=True), or with images[:, :1] where they are grey."
        ),
    ),
    "one channel, flattened": (
        lambda: nn.Sequential(nn.Flatten(), linear(SIDE**2)),
        "It takes images of one channel",
    ),
    "four channels": (lambda: nn.Sequential(nn.Conv2d(4, 4, 3), nn.Flatten()), "to have 4 channels, but got 3"),
    "another size": (OtherSize, "If the size is wrong, give the model a Preprocess(resize=..., crop=...)."),
    "raises": (raising(functools.partial(ValueError, "no such luck")), "ValueError: no such luck"),
    "raises without words": (NoWordsError, "(no text: its __str__ raised RuntimeError)"),
    "recursion for ever": (raising(functools.partial(RecursionError, "too deep")), "RecursionError: too deep"),
    "out of memory": (raising(functools.partial(MemoryError, "no memory")), "MemoryError: no memory"),
    "exits": (Exits, "tried to end the process: SystemExit: 3"),
    "exits hard": (HardExits, "tried to end the process: ExitError: os._exit(0)"),
    "interrupts": (Interrupts, "raised KeyboardInterrupt"),
    "cancels": (raising(type("Cancelled", (BaseException,), {})), "tried to end the process: Cancelled"),
}


def some_images(count: int, seed: int = 3) -> np.ndarray:
    drawn = random.Random(seed)
    return np.array(
        [[[[drawn.randrange(256) for _ in range(SIDE)] for _ in range(SIDE)] for _ in range(3)] for _ in range(count)],
        np.uint8,
    )
