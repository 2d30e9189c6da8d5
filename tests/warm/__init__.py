"""Python processes that start at once: forked from one that has imported PyTorch and what else takes long.

For tests of what several processes do. Where it matters how a process starts, tests use ``sys.executable``.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ADDRESS = "WARM_PYTHON"  # the variable that names a server's socket to the processes that share it


@functools.cache
def python() -> tuple[str, ...]:
    """Return the beginning of a command line, in place of ``sys.executable``."""
    if sys.platform != "linux":
        return (sys.executable,)
    return (sys.executable, "-I", "-S", str(HERE / "client.py"), os.environ.get(ADDRESS) or _start())


def share() -> None:
    """Start the server for this process and all that it starts; it imports nothing before somebody asks."""
    if sys.platform == "linux":
        os.environ[ADDRESS] = _start()


def _start() -> str:
    """Start a server that ends with this process; return its address."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    address = folder / "socket"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), str(address)],
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the processes that it forks, which take it as others do
    )
    atexit.register(_end, server, folder)
    deadline = time.monotonic() + 120
    while not address.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the process that others are forked from did not start")
        time.sleep(0.01)
    return str(address)


def _end(server: subprocess.Popen[bytes], folder: Path) -> None:
    server.kill()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)
