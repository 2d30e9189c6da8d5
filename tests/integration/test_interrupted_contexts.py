"""Ctrl-C at any instant leaves the process as it was: its settings, its locks, the modules that a user's code has."""

from __future__ import annotations

import contextlib
import gc
import itertools
import logging
import os
import random
import signal
import sys
import threading
import warnings
from pathlib import Path

import filelock
import pytest
import torch
from PIL import Image, ImageFile

import pytest_robustness
from pytest_robustness.core import Shard, generators, opened_files
from pytest_robustness.core.files import alone_in
from pytest_robustness.core.freed_memory import freed_memory_kept
from pytest_robustness.core.opened_files import recorded
from pytest_robustness.core.process import one_thread, quick_imports, working_in
from pytest_robustness.core.process_state import Aspect, restored
from pytest_robustness.core.surroundings import Surroundings
from pytest_robustness.core.undoing import interrupts_undone, let_go
from pytest_robustness.data.decoding.pillow_settings import strictly
from pytest_robustness.inference.device import cores_shared
from pytest_robustness.inference.precision import Products, fp32_products
from pytest_robustness.inference.runtimes.onnxruntime_cpu import _quiet
from pytest_robustness.inference.store.file import StoreFile
from pytest_robustness.inference.sweep.claims import ShardClaims
from pytest_robustness.inference.user_calls.aspects import every_aspect
from pytest_robustness.inference.user_calls.calls import UserCalls
from tests.signals import signalled_after

OURS = (str(Path(pytest_robustness.__file__).parent), str(Path(filelock.__file__).parent), contextlib.__file__)
SHARD = Shard(0, 10)


def is_heard(frame):
    """Say whether no object is being freed: what is raised then Python ignores."""
    while frame is not None and frame.f_code.co_name not in ("__del__", "<genexpr>"):
        frame = frame.f_back
    return frame is None


def run_interrupted(block, check, step=1):
    """Interrupt ``block`` after each call, or some, keep the traceback as a notebook does, and call ``check``."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for calls in itertools.count(1, step):
            kept = None
            try:
                if not signalled_after(calls, block, OURS, counts=is_heard):
                    return calls
            except KeyboardInterrupt as interrupt:
                kept = interrupt
                let_go(kept)
            finally:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            check(calls)
            del kept
    finally:
        signal.signal(signal.SIGINT, handler)


def own_generators():
    """Change what random generators draw, within a context that puts it back."""
    with generators.restored(generators.GENERATORS[::2]):
        random.seed(3)
        torch.manual_seed(3)


def aspects():
    """Change settings within a context that puts them back."""
    read = (
        Aspect("threads", torch.get_num_threads, torch.set_num_threads),
        Aspect("Pillow", lambda: ImageFile.MAXBLOCK, lambda size: setattr(ImageFile, "MAXBLOCK", size)),
        Aspect("logging", lambda: logging.root.manager.disable, logging.disable),
    )
    with restored(read):
        torch.set_num_threads(3)
        ImageFile.MAXBLOCK = 17
        logging.disable(5)


def in_context(context):
    """Return what enters and leaves ``context()``."""

    def block():
        with context():
            pass

    return block


BLOCKS = {
    "imports": in_context(quick_imports),
    "one thread": in_context(lambda: one_thread(contextlib.nullcontext())),
    "current folder": in_context(lambda: working_in(Path("elsewhere"))),
    "fp32": in_context(lambda: fp32_products(tf32=False)),
    "cores": in_context(lambda: cores_shared(2)),
    "memory": in_context(freed_memory_kept),
    "Pillow": in_context(strictly),
    "exporter": in_context(_quiet),
    "opened files": in_context(recorded),
    "generators": own_generators,
    "aspects": aspects,
    "a user's code": in_context(lambda: UserCalls(print, timeout=600).call("net", batch=True)),
}


def settings():
    """Return the settings of the process that the contexts change."""
    return {
        "garbage collection": gc.isenabled(),
        "folder": str(Path.cwd()),
        "products": Products.read(),
        "threads": torch.get_num_threads(),
        "Pillow": (ImageFile.LOAD_TRUNCATED_IMAGES, ImageFile.MAXBLOCK, Image.MAX_IMAGE_PIXELS),
        "logging": logging.root.manager.disable,
        "opened files": len(opened_files._recorders),
        "streams": (sys.stdout, sys.stderr),
        "functions": (os._exit, os.putenv),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "generators": (random.getstate(), torch.get_rng_state().tolist()),
        "path": (list(sys.path), list(sys.meta_path)),
    }


def has_turn():
    """Say whether another thread can enter the contexts that only one may be in."""
    entered = []

    def enter():
        with one_thread(contextlib.nullcontext()), strictly():
            entered.append(True)

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    thread.join(10)
    return bool(entered)


@pytest.fixture
def process(tmp_path, monkeypatch):
    """Leave the process as it is, whatever a test finds; in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as a user may have it
    (tmp_path / "elsewhere").mkdir()
    before, path, products = settings(), list(sys.path), Products.read()
    yield before
    gc.enable()
    torch.set_num_threads(before["threads"])
    logging.disable(before["logging"])
    ImageFile.LOAD_TRUNCATED_IMAGES, ImageFile.MAXBLOCK, Image.MAX_IMAGE_PIXELS = before["Pillow"]
    os._exit, os.putenv = before["functions"]
    sys.path[:] = path
    products.apply()
    random.setstate(before["generators"][0])


@pytest.mark.parametrize("what", BLOCKS)
def test_ctrl_c_leaves_no_setting_of_the_process_changed(process, what):
    def check(calls):
        now = settings()
        assert [name for name in process if now[name] != process[name]] == [], calls
        assert has_turn(), calls

    with warnings.catch_warnings():
        assert run_interrupted(BLOCKS[what], check) > 3


def test_ctrl_c_leaves_no_gradients_off_and_no_warning_silenced_where_the_contexts_are_not_ours(process):
    @interrupts_undone(every_aspect)
    def work():
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")

    filters = list(warnings.filters)

    def check(calls):
        assert torch.is_grad_enabled(), calls
        assert warnings.filters == filters, calls

    assert run_interrupted_within(work, check) > 5


def run_interrupted_within(block, check):
    """Interrupt ``block`` after each call that the contexts of PyTorch and of Python make, and call ``check``."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    files = (warnings.__file__, torch.autograd.grad_mode.__file__)
    try:
        for calls in itertools.count(1):
            try:
                if not signalled_after(calls, block, files, counts=lambda call: call.f_back.f_code.co_name == "work"):
                    return calls
            except KeyboardInterrupt:
                check(calls)
    finally:
        signal.signal(signal.SIGINT, handler)


def test_ctrl_c_leaves_each_file_of_the_users_its_own_modules(process, tmp_path):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "its_helper.py").write_text(f"NAME = {folder!r}")
    others = Surroundings(str(tmp_path), str(tmp_path / "first"))

    def name(surroundings):
        with surroundings.entered():
            import its_helper

            return its_helper.NAME

    assert name(others) == "first"
    second = Surroundings(str(tmp_path), str(tmp_path / "second"))
    path, finders = list(sys.path), list(sys.meta_path)

    def check(calls):
        assert sys.path == path, calls
        assert sys.meta_path == finders, calls
        assert "its_helper" not in sys.modules, calls
        assert [name(others), name(second)] == ["first", "second"], calls

    assert run_interrupted(lambda: name(second), check) > 20


def test_ctrl_c_leaves_no_transaction_of_the_store_open(process, tmp_path):
    file, numbers = StoreFile(tmp_path / "store.sqlite"), itertools.count()

    def write():
        with file.transaction():
            file.connection.execute("INSERT INTO cell (key, description) VALUES (?, '')", (str(next(numbers)),))

    def check(calls):
        assert not file.connection.in_transaction, calls
        write()

    assert run_interrupted(write, check) > 5
    file.close()


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be locked there")
def test_ctrl_c_leaves_no_folder_of_reports_locked(process, tmp_path):
    import fcntl

    def check(calls):
        descriptor = os.open(tmp_path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail(f"locked after {calls} calls")
        finally:
            os.close(descriptor)

    assert run_interrupted(in_context(lambda: alone_in(tmp_path)), check) > 5


def test_ctrl_c_leaves_no_images_claimed_by_who_has_given_up(process, tmp_path):
    folder = tmp_path / "claims"

    def compute():
        claims = ShardClaims(folder, "data")
        try:
            for shard in claims.claim([SHARD]):
                claims.release(shard)
        finally:
            claims.close()

    def check(calls):
        claims = ShardClaims(folder, "data")
        assert [*claims.claim([SHARD])] == [SHARD], calls
        claims.close()

    assert run_interrupted(compute, check, step=7) > 100
