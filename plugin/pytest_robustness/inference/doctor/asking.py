"""Have a model answer a few images under each of several set-ups; an image is decoded once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import torch

from pytest_robustness.core import Workload
from pytest_robustness.core.errors import BadImageError, DataError, ModelError, RobustnessError
from pytest_robustness.core.text import counted
from pytest_robustness.inference.doctor.open_trial import OpenTrial, distinct
from pytest_robustness.inference.doctor.set_up import changed
from pytest_robustness.inference.loading.first_answers import first_answers
from pytest_robustness.inference.none_readable import none_readable
from pytest_robustness.inference.preprocess import to_canvas, to_inputs
from pytest_robustness.inference.runtimes.eager import EagerRuntime, run_unchanged
from pytest_robustness.models.present_weights import no_number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import Canvas, Model, Preprocess, Runner, Selection
    from pytest_robustness.inference.doctor.mistakes import Mistake
    from pytest_robustness.inference.doctor.set_up import SetUp
    from pytest_robustness.inference.user_calls.calls import UserCalls

    Answers = NDArray[np.int64]
    Keep = Callable[[Answers, Answers, Sequence[Answers]], Sequence[bool]]

_log = logging.getLogger(__name__)

_BATCH: Final = 32
# Images that a CPU takes at once: the system maps larger activations anew for each layer, which takes longer than the
# layer does (EfficientNet-Lite0 on two cores: 18 ms an image by fours, 47 ms by 32).
_AT_ONCE: Final = 4
# After so many images those set-ups go on that may still be the best.
_LOOKS: Final = tuple(_BATCH << look for look in range(16))
# Bytes of decoded images that are kept for a second round.
_KEPT: Final = 512 << 20


class Asked(NamedTuple):
    """What a model answered with one setting changed: the class of the data for each of the first images, int64 [m].

    -1 is an answer that is no class of the data. ``error`` says why there are no answers at all.
    """

    mistake: Mistake
    answers: Answers
    error: str = ""


class Examination:
    """Asks one model about the images of a selection, in any order of set-ups.

    Parameters
    ----------
    name, model
        The model.
    selection
        The images. They are asked about in a drawn order, so that the first ones are a sample of all.
    calls
        Calls the model's code.
    device
        Where it runs.
    seed
        Of the order.
    note
        Receives a sentence on how far it is.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        selection: Selection,
        calls: UserCalls,
        device: torch.device,
        seed: int,
        note: Callable[[str], None],
    ) -> None:
        self._name = name
        self._model = model
        self._selection = selection
        self._calls = calls
        self._device = device
        self._note = note
        self._order = np.random.default_rng(seed).permutation(len(selection.indices))
        self._runners: dict[bool, Runner] = {}
        self._images: dict[int, torch.Tensor] = {}
        self._unreadable: set[int] = set()
        self._answered: dict[str, Answers] = {}

    @property
    def labels(self) -> Answers:
        """The classes of the images, in the order in which they are asked about: int64 [n]."""
        return self._selection.labels[self._readable()]

    def first_image(self) -> torch.Tensor:
        """Return the first readable image: uint8 [3, H, W].

        Raises
        ------
        DataError
            No image can be read.
        """
        return next(self._decoded(self._readable()[:1]))

    def ask(self, control: Mistake, mistakes: Sequence[Mistake], keep: Keep) -> list[Asked]:
        """Return the answers with ``control``, to all images, and with each of ``mistakes``, as far as they went.

        Parameters
        ----------
        control
            What the others are compared with.
        mistakes
            What to try. One that reads the same outputs as an earlier one in the same way is left out.
        keep
            Says from labels, control's answers and those of the others which of these go on.
        """
        readable = self._readable()
        # Of an earlier round control's answers may be known.
        known = self._answered.get(repr(control))
        trials = [OpenTrial(control, known), *map(OpenTrial, mistakes)]
        images = counted(len(readable), "image")
        self._note(f"{self._name}: {control.words}, and {len(mistakes)} other set-ups on {images}")
        for start in range(0, len(readable), _BATCH):
            part = readable[start : start + _BATCH]
            self._answer(part, [trial for trial in trials if trial.going])
            trials = distinct(trials)
            going = [trial for trial in trials[1:] if trial.going]
            done = start + len(part)
            if going and done in _LOOKS and done < len(readable):
                given = np.full(done, -1) if trials[0].error else trials[0].array[:done]
                kept = keep(self.labels[:done], given, [trial.array for trial in going])
                for trial, goes_on in zip(going, kept, strict=True):
                    trial.going = goes_on
                self._note(f"{done:,} of {images}: {sum(kept)} of {len(going)} set-ups go on")
        found = [Asked(trial.mistake, trial.array, trial.error) for trial in trials]
        whole = (asked for asked in found if len(asked.answers) == len(readable))
        self._answered |= {repr(asked.mistake): asked.answers for asked in whole}
        return found

    def _readable(self) -> Answers:
        return np.array([place for place in self._order.tolist() if place not in self._unreadable], np.int64)

    def _answer(self, places: Answers, trials: Sequence[OpenTrial]) -> None:
        """Add the answers to some images to each trial."""
        for trial in trials:
            self._set_up(trial)
        wanted = [trial for trial in trials if trial.set_up is not None]
        canvases = self._canvases(places, {trial.set_up.model.preprocess.canvas for trial in wanted if trial.set_up})
        outputs: dict[tuple[Preprocess, bool], torch.Tensor] = {}
        for trial in wanted:
            self._try(trial, canvases, outputs)

    def _set_up(self, trial: OpenTrial) -> None:
        if trial.set_up is None and trial.going:
            try:
                trial.set_up = changed(self._model, trial.mistake.changes)
            except (RobustnessError, ValueError) as error:
                trial.fail(error)

    def _try(
        self,
        trial: OpenTrial,
        canvases: Mapping[Canvas, torch.Tensor],
        outputs: dict[tuple[Preprocess, bool], torch.Tensor],
    ) -> None:
        set_up = trial.set_up
        if set_up is None:
            return
        try:
            if set_up.inputs not in outputs:
                outputs[set_up.inputs] = self._outputs(set_up, canvases)
            trial.read(outputs[set_up.inputs], self._selection, self._name)
        except Exception as error:  # a model may fail in any way on inputs that it is not made for
            trial.fail(error)

    def _outputs(self, set_up: SetUp, canvases: Mapping[Canvas, torch.Tensor]) -> torch.Tensor:
        """Return the raw outputs of a batch: float32 [B, K]."""
        canvas = set_up.model.preprocess.canvas
        if canvas not in canvases:
            raise DataError("the images differ in size, and are not resized")
        images = canvases[canvas].to(self._device)
        runner = self._runner(set_up, canvases[canvas][0])
        with self._calls.call(self._name, "as the doctor asks", batch=True), torch.inference_mode():
            inputs = to_inputs(images, set_up.model.preprocess)
            parts = torch.split(inputs, _AT_ONCE if self._device.type == "cpu" else len(inputs))
            outputs = torch.cat([runner.run(part) for part in parts]).cpu()
        if not bool(outputs.softmax(dim=1).isfinite().all()):
            raise ModelError(
                f"{self._name} returns logits that give no answer: one is NaN or plus infinity, or none is finite."
                f"{no_number_text(set_up.model.module)}"
            )
        return outputs

    def _runner(self, set_up: SetUp, canvas: torch.Tensor) -> Runner:
        """Return what runs the model on any number of images; the first set-up that runs decides its form."""
        if set_up.normalizes not in self._runners:
            with self._calls.call(self._name, "on its first images", batch=True):
                adapted = first_answers(self._name, set_up.model, canvas).model
                self._runners[set_up.normalizes] = self._placed(adapted, canvas)
        return self._runners[set_up.normalizes]

    def _placed(self, model: Model, canvas: torch.Tensor) -> Runner:
        if model.runtime:
            return run_unchanged(model, self._device)
        with torch.no_grad():
            example = to_inputs(canvas[None].to(self._device), model.preprocess)
            return EagerRuntime().prepare(model, Workload(example, "fp32", 1, self._calls.timeout))

    def _canvases(self, places: Answers, wanted: set[Canvas]) -> dict[Canvas, torch.Tensor]:
        """Return the images on each canvas, uint8 [B, 3, h, w]; without those on which they differ in size."""
        drawn: dict[Canvas, list[torch.Tensor]] = {canvas: [] for canvas in wanted}
        for image in self._decoded(places):
            for canvas, images in drawn.items():
                images.append(to_canvas(image, canvas))
        return {canvas: torch.stack(images) for canvas, images in drawn.items() if len({i.shape for i in images}) == 1}

    def _decoded(self, places: Answers) -> Iterator[torch.Tensor]:
        for place in places.tolist():
            image = self._images.get(place)
            if image is None:
                image = self._selection.source.read(int(self._selection.indices[place]))
                if sum(kept.numel() for kept in self._images.values()) < _KEPT:
                    self._images[place] = image
            yield image

    def leave_out_unreadable(self) -> int:
        """Read every image once, and leave out those that cannot be read; return their number.

        Raises
        ------
        DataError
            None can be read.
        """
        first: BadImageError | None = None
        for place in self._order.tolist():
            try:
                for _ in self._decoded(np.array([place])):
                    pass
            except BadImageError as error:
                first = first or error
                _log.debug("an image is left out", exc_info=True)
                self._unreadable.add(place)
        if len(self._unreadable) == len(self._order):
            raise none_readable(self._selection.source, len(self._order), first)
        return len(self._unreadable)
