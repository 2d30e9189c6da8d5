"""What a user's code changes in the process is restored after the call, and named."""

from __future__ import annotations

import locale
import logging
import os
import random
import signal
import socket
import sys
import warnings
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from pytest_robustness.core.process_state import ASPECTS, descriptors_kept, restored, streams_kept
from pytest_robustness.inference.user_calls import torch_state

EVERY = (*ASPECTS, *torch_state.ASPECTS)


CHANGES = {
    "sys.argv": lambda: sys.argv.append("--surprise"),
    "sys.path": lambda: sys.path.insert(0, "/nowhere"),
    "the current directory": lambda: os.chdir("/"),
    "environment variables (PATH, SURPRISE)": lambda: os.environ.update(SURPRISE="1", PATH=""),
    "signal handlers": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "the recursion limit": lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 100),
    "the thread switch interval": lambda: sys.setswitchinterval(0.1),
    "sys.excepthook": lambda: setattr(sys, "excepthook", print),
    "the locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8" if locale.setlocale(locale.LC_ALL) == "C" else "C"),
    "the default timeout of sockets": lambda: socket.setdefaulttimeout(3),
    "logging.disable": lambda: logging.disable(logging.CRITICAL),
    "the level of the root logger": lambda: logging.root.setLevel(1),
    "PIL.ImageFile.LOAD_TRUNCATED_IMAGES": lambda: setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", True),
    "PIL.Image.MAX_IMAGE_PIXELS": lambda: setattr(PIL.Image, "MAX_IMAGE_PIXELS", None),
    "NumPy's handling of floating-point errors": lambda: np.seterr(all="raise"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16).__enter__(),
    "PyTorch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "grad mode": lambda: torch.set_grad_enabled(not torch.is_grad_enabled()),
    "PyTorch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "PyTorch's default device": lambda: torch.set_default_device("meta"),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "torch.backends.cudnn": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "torch.backends.mkldnn": lambda: torch.backends.mkldnn.set_flags(False),
    "the precision of fp32 products": lambda: torch.set_float32_matmul_precision("medium"),
    "kernels of attention": lambda: torch.backends.cuda.enable_flash_sdp(False),
    "denormal numbers": lambda: torch.set_flush_denormal(True),
    "autograd's anomaly mode": lambda: torch.autograd.set_detect_anomaly(True),
    "hooks of all modules": lambda: register_module_forward_hook(lambda module, args, output: output * 2),
    "functions of PyTorch": lambda: setattr(torch.nn.functional, "relu", lambda x, inplace=False: x),
    "nnpack": lambda: torch._C._set_nnpack_enabled(not torch._C._get_nnpack_enabled()),
}


def read():
    return {aspect.name: aspect.read() for aspect in EVERY if aspect.name}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_restored_and_named(name):
    before = read()
    with restored(EVERY) as changed:
        CHANGES[name]()
    assert name in changed
    after = read()
    assert {key for key in before if before[key] != after[key]} == set()
    with restored(EVERY) as changed:
        pass
    assert changed == []


def _change_all_and_fail():
    for change in CHANGES.values():
        change()
    raise ZeroDivisionError


def test_all_changes_at_once_are_restored_though_the_code_fails():
    before = read()
    with pytest.raises(ZeroDivisionError), warnings.catch_warnings(action="ignore"), restored(EVERY) as changed:
        _change_all_and_fail()
    assert set(changed) >= set(CHANGES)
    assert {key for key, value in read().items() if value != before[key]} == set()


def test_random_numbers_go_on_as_if_nothing_had_been_drawn():
    def seed():
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002 (as users do)
        torch.manual_seed(1)

    def drawn():
        return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002 (as users do)

    seed()
    expected = drawn()
    seed()
    with restored(EVERY) as changed:
        drawn()
    assert drawn() == expected
    assert changed == []


def test_warnings_filters_are_restored():
    before = list(warnings.filters)
    with restored(EVERY) as changed:
        warnings.simplefilter("ignore")
    assert list(warnings.filters) == before
    assert changed == []


def test_a_functions_answer_is_the_same_after_hooks_and_patches():
    net, image = torch.nn.ReLU(), torch.tensor([-1.0, 2.0])
    with restored(EVERY):
        CHANGES["hooks of all modules"]()
        CHANGES["functions of PyTorch"]()
        assert net(image).tolist() != [0, 2]
    assert net(image).tolist() == [0, 2]


def test_closed_streams_and_descriptors_work_again(tmp_path, capfd):
    with descriptors_kept() as changed, streams_kept():
        sys.stdout.write("before")
        sys.stdout.close()
        sys.stderr.close()
        os.close(1)
        other = os.open(tmp_path / "other", os.O_CREAT | os.O_WRONLY)
        assert other == 1
    sys.stdout.write("after")
    sys.stdout.flush()
    assert changed == ["file descriptor 1"]
    assert "after" in capfd.readouterr().out
    assert Path(tmp_path / "other").read_bytes() == b""


def test_a_stream_that_was_replaced_comes_back():
    before = sys.stdout
    with streams_kept():
        sys.stdout = None
    assert sys.stdout is before


def test_what_stood_for_a_stream_gives_way_to_it_later_where_another_thread_put_it_back():
    before = sys.stdout
    try:
        with streams_kept():
            kept = sys.stdout
            with streams_kept():
                assert sys.stdout is not kept
            assert sys.stdout is kept
        assert sys.stdout is before
        sys.stdout = kept  # as contextlib.redirect_stdout does that began in the block
        with streams_kept():
            pass
        assert sys.stdout is before
    finally:
        sys.stdout = before
