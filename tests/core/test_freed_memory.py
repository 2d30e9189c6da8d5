"""What a sweep frees is kept for the next layer and handed back at its end: page faults and memory, as Linux counts."""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path

import pytest

from pytest_robustness.core import freed_memory
from pytest_robustness.core.freed_memory import freed_memory_kept

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries stay as they are")

BLOCK = 40 << 20  # larger than what the library keeps by itself
PAGE = 4096


def filled(bytes_: int = BLOCK) -> int:
    """Allocate a block, write to every page of it, and free it; return how many page faults that took."""
    library = ctypes.CDLL(None)
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = library.malloc(bytes_)
    ctypes.memset(block, 1, bytes_)
    library.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * PAGE


@pytest.fixture(autouse=True)
def usual(monkeypatch):
    """Begin with the C library as a process of PyTorch has it, and without a choice of the user."""
    for name in (*freed_memory._CHOSEN, "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    with freed_memory_kept():
        pass


def test_a_block_that_was_freed_is_mapped_once_and_not_again():
    before = filled()
    assert filled() > before / 2  # by itself, the library maps it anew
    with freed_memory_kept():
        filled()
        assert sum(filled() for _ in range(5)) < before / 10
    assert filled() > before / 2


def test_what_was_kept_is_handed_back_at_the_end():
    with freed_memory_kept():
        filled(8 * BLOCK)
        kept = resident()
    assert resident() < kept - 7 * BLOCK


def test_it_is_handed_back_after_an_error_too():
    kept = 0

    def fail() -> None:
        nonlocal kept
        filled(8 * BLOCK)
        kept = resident()
        raise ValueError("full")

    with pytest.raises(ValueError, match="full"), freed_memory_kept():
        fail()
    assert resident() < kept - 7 * BLOCK


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MALLOC_TRIM_THRESHOLD_", "131072"),
        ("MALLOC_MMAP_THRESHOLD_", "131072"),
        ("MALLOC_MMAP_MAX_", "100"),
        ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=131072"),
    ],
)
def test_who_has_chosen_how_memory_is_allocated_keeps_that(monkeypatch, name, value):
    before = filled()
    monkeypatch.setenv(name, value)
    with freed_memory_kept():
        filled()
        assert filled() > before / 2


def test_other_settings_of_the_library_are_no_choice(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=4096")
    with freed_memory_kept():
        filled()
        assert filled() < BLOCK / PAGE / 10


@pytest.mark.parametrize("missing", ["mallopt", "malloc_trim"])
def test_other_libraries_stay_as_they_are(monkeypatch, missing):
    class Other:
        def __getattr__(self, name):
            if name == missing:
                raise AttributeError(name)
            return lambda *_: pytest.fail(f"{name} was called")

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Other())
    with freed_memory_kept():
        pass
