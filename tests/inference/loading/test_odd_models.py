"""Any model that PyTorch runs, runs, with its own answers; and one model's fault is its own."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from pytest_robustness.core import CONTROL, Cell, ClassLabel, EngineUsed, Model, Selection, Workload
from pytest_robustness.core.errors import ModelError
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.inference.jobs import JobMaker
from pytest_robustness.inference.loading.first_answers import FixedBatch, first_answers
from pytest_robustness.inference.preprocess import to_inputs
from pytest_robustness.inference.runtimes.choice import RuntimeChoice
from pytest_robustness.inference.user_calls.calls import UserCalls
from pytest_robustness.transforms import builtin
from tests import odd_models
from tests.odd_models import CHANCE, CLASSES, NEIGHBOURS, REFUSED, RUN, some_images

pytestmark = pytest.mark.filterwarnings("ignore")
IMAGES = torch.from_numpy(some_images(7))
FIXED = {"one image at a time": 1, "squeezes": 1, "four at a time": 4, "traced for four": 4, "exported for five": 5}
FIXED |= {"exported for up to three": 3}
CONTIGUOUS = {"view", "view of the input", "strides", "view of a weight"}


class Zoo:
    """Gives one model, as `ModelZoo` does."""

    def __init__(self, make) -> None:
        self._make = make

    def published(self, name):
        return False

    def weights_files(self, name):
        return ()

    def origin(self, name):
        return "factory"

    def load(self, name):
        module = self._make()
        if not isinstance(module, torch.fx.GraphModule):
            module.eval()
        return Model(module.float(), fingerprint=name)


def maker_of(make, warnings=None):
    labels = np.arange(len(IMAGES), dtype=np.int64) % CLASSES
    classes = [ClassLabel(str(number), str(number)) for number in range(CLASSES)]
    source = ArraySource("photos", classes, labels, IMAGES.numpy())
    identities = np.arange(len(IMAGES), dtype=np.uint64).repeat(2).view("V16")
    selection = Selection(source, np.arange(len(IMAGES)), labels, identities)
    warned = [] if warnings is None else warnings
    return JobMaker(selection, Zoo(make), builtin(), 0, "fp32", UserCalls(warned.append))


def jobs_of(name, make, warnings=None):
    return maker_of(make, warnings).jobs([Cell(name, CONTROL)])


def expected(make, name):
    """The model's own answers: one batch after the other of the size that it takes, in PyTorch alone."""
    module = make()
    if not isinstance(module, torch.fx.GraphModule):
        module.eval()
    module = module.float()
    size = FIXED.get(name, 1)
    padded = torch.cat([IMAGES, IMAGES[-1:].expand(-len(IMAGES) % size, -1, -1, -1)]).float() / 255
    rows = []
    with torch.no_grad():
        for start in range(0, len(padded), size):
            answer = module(padded[start : start + size].clone())
            answer = answer["logits"] if isinstance(answer, dict) else getattr(answer, "logits", answer)
            rows.append(answer[0] if isinstance(answer, tuple | list) else answer)
    return torch.cat([row.as_subclass(torch.Tensor).float() for row in rows])[: len(IMAGES)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", RUN)
def test_a_model_that_pytorch_runs_gives_its_own_answers(name, precision):
    jobs, errors = jobs_of(name, RUN[name])
    assert errors == {}
    loaded = jobs[0].loaded
    inputs = to_inputs(IMAGES, loaded.model.preprocess)
    kept = inputs.clone()
    with torch.inference_mode():
        runner = RuntimeChoice("eager", print).prepare(name, loaded.model, Workload(inputs, precision, 7))
        logits = torch.cat([runner.run(inputs[:5]), runner.run(inputs[5:])])
    reference = expected(RUN[name], name)
    ruled_out = reference == -torch.inf
    assert torch.equal(logits == -torch.inf, ruled_out)
    logits, reference = logits.masked_fill(ruled_out, 0), reference.masked_fill(ruled_out, 0)
    assert (logits - reference).norm() <= {"fp32": 1e-3, "bf16": 0.1}[precision] * reference.norm().clamp_min(1e-9)
    assert torch.equal(inputs, kept)
    assert type(logits) is torch.Tensor
    if precision == "fp32":
        assert runner.engine == EngineUsed("eager", "fp32", "contiguous" if name in CONTIGUOUS else "")
    assert isinstance(loaded.model.module, FixedBatch) == (name in FIXED)
    if name in FIXED:
        assert loaded.model.module.size == FIXED[name]


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_a_model_that_answers_by_its_neighbours_is_refused_with_what_to_do(name):
    jobs, errors = jobs_of(name, NEIGHBOURS[name])
    assert jobs == []
    (text,) = errors.values()
    assert text.startswith(f"{name} answers an image by the others in its batch: ")
    assert "Call .eval() in the factory" in text


@pytest.mark.parametrize("name", CHANCE)
def test_a_model_that_answers_by_chance_is_refused_with_what_to_do(name):
    make, reason = CHANCE[name]
    jobs, errors = jobs_of(name, make)
    assert jobs == []
    (text,) = errors.values()
    assert text.startswith(f"{name} {reason}")


@pytest.mark.parametrize("name", REFUSED)
def test_a_fault_is_the_models_own_error(name):
    make, reason = REFUSED[name]
    jobs, errors = jobs_of(name, make)
    assert jobs == []
    (text,) = errors.values()
    assert name in text
    assert reason in text


def test_an_error_of_torchscript_is_its_reason_without_a_traceback():
    jobs, errors = jobs_of("scripted", odd_models.scripted_and_failing)
    assert jobs == []
    (text,) = errors.values()
    where = "a first image, an input of shape (1, 3, 8, 8)"
    assert text.startswith(f"scripted failed on {where}: Error: RuntimeError: no photographs here. If ")


def test_a_model_without_words_is_judged_or_its_own_error():
    jobs, errors = jobs_of("repr", odd_models.Repr)
    assert len(jobs) + len(errors) == 1


def test_activations_quantized_by_the_range_of_their_batch_are_judged_with_a_warning():
    warnings = []
    jobs, errors = jobs_of("quantized", odd_models.quantized, warnings)
    assert errors == {}
    assert len(jobs) == 1
    assert all("with the other images in the batch" in text for text in warnings)


def test_there_are_enough_odd_models():
    assert len(RUN) + len(NEIGHBOURS) + len(CHANCE) + len(REFUSED) + 2 >= 60


def test_first_answers_do_not_change_the_model():
    model = odd_models.Plain().eval()
    before = copy.deepcopy(model.state_dict())
    first = first_answers("net", Model(model), IMAGES[0])
    assert first.model.module is model
    assert (first.outputs, first.warnings) == (CLASSES, ())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_fixed_batch_pads_with_the_last_image_and_cuts_the_answers():
    seen = []

    class Sums(torch.nn.Module):
        def forward(self, images):
            seen.append(images[:, 0, 0, 0].tolist())
            return images.flatten(1)[:, :2]

    images = torch.arange(7.0)[:, None, None, None].expand(7, 3, 2, 2)
    answers = FixedBatch(Sums(), 4)(images)
    assert answers[:, 0].tolist() == list(range(7))
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 6]]


def test_a_wrong_size_is_not_searched_for_long():
    sizes = []

    class Fails(torch.nn.Module):
        def forward(self, images):
            sizes.append(len(images))
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x192 and 2048x3)")

    with pytest.raises(ModelError, match="2048x3"):
        first_answers("net", Model(Fails()), IMAGES[0])
    assert sum(sizes) <= 512
