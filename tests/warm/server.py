"""The process that is forked: imports what takes long when first asked, then forks once for each client that asks.

A client (`client`) sends its standard streams, command line, environment and folder; the child becomes the Python
process that the client was started as. The client learns how the child ended. Where either is killed, the other ends.
Each child has the modules imported as a process of its own would have after its first imports, and nothing else; it
differs in its command line as the system shows it, and in its parent.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import runpy
import select
import selectors
import signal
import socket
import sys
import types
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from execnet import gateway_io

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# What a run imports of other packages, and what takes longest. Nothing of pytest's plugins: pytest rewrites those when
# it imports them.
PRELOADED: Final = ("torchvision.transforms.v2", "pandas", "scipy.stats", "rich.table", "jinja2", "filelock")
MOST: Final = 1 << 20


def main(address: str) -> None:
    """Serve clients at ``address`` until the process that started this one is gone."""
    become, parent = None, os.getppid()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.new")
        listener.listen(16)
        Path(f"{address}.new").rename(address)
        if _is_asked(listener, parent):
            for name in PRELOADED:
                __import__(name)
            _warm_workers((sys.executable, "-I", "-S", str(Path(__file__).with_name("client.py")), address))
            gc.freeze()  # children share these pages as long as they do not count references in them
            become = _serve(listener, parent)
    if become is not None:
        become()


def _is_asked(listener: socket.socket, parent: int) -> bool:
    """Wait for the first client; return whether one came before the process that started this one was gone."""
    while os.getppid() == parent:
        if select.select([listener], [], [], 1.0)[0]:
            return True
    return False


def _warm_workers(python: tuple[str, ...]) -> None:
    """Have children start the workers of xdist by ``python`` instead of ``sys.executable``."""
    cold = gateway_io.popen_args
    gateway_io.popen_args = lambda spec: [*python, *cold(spec)[1:]]


def _serve(listener: socket.socket, parent: int) -> Callable[[], None] | None:
    """Fork for each client; return in a child what it is to become, in the server ``None``."""
    clients: dict[int, socket.socket] = {}
    woken, wakes = socket.socketpair()
    for end in (woken, wakes):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while os.getppid() == parent:
            for key, _ in selector.select(1.0):
                if key.fileobj is woken:
                    with contextlib.suppress(BlockingIOError):
                        woken.recv(4096)
                elif key.fileobj is listener:
                    client, _ = listener.accept()
                    request, streams, *_ = socket.recv_fds(client, MOST, 3)
                    child = os.fork()
                    if child == 0:
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        for open_socket in (client, listener, woken, wakes, *clients.values()):
                            open_socket.close()
                        return lambda: _become(request, streams)
                    for stream in streams:
                        os.close(stream)
                    clients[child] = client
                    selector.register(client, selectors.EVENT_READ, child)
                else:  # the client is gone, by a signal perhaps
                    selector.unregister(key.fileobj)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(key.data, signal.SIGKILL)
            _tell_who_ended(clients, selector)
    return None


def _tell_who_ended(clients: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    while clients:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        client = clients.pop(child)
        with contextlib.suppress(KeyError):
            selector.unregister(client)
        with contextlib.suppress(OSError):
            client.send(str(os.waitstatus_to_exitcode(status)).encode())
        client.close()


def _become(request: bytes, streams: Sequence[int]) -> None:
    """Become the process that the request describes: its streams, its surroundings, its program."""
    arguments, environment, folder = json.loads(request)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    random.seed()
    np.random.seed()  # noqa: NPY002 (of the process, as a new one has)
    sys.path[:] = ["", *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)), *sys.path[1:]]
    sys.orig_argv = [sys.executable, *arguments]
    while arguments[0] in {"-u", "-B", "-W"}:
        switch = arguments.pop(0)
        sys.dont_write_bytecode |= switch == "-B"
        if switch == "-W":
            sys.warnoptions.append(arguments.pop(0))
            warnings.simplefilter(sys.warnoptions[-1])  # type: ignore[arg-type]
    _run(arguments, folder)


def _run(arguments: list[str], folder: str) -> None:
    """Run the program that a command line names: a module, a text, a file, or standard input."""
    sys.modules["__main__"] = main_module = types.ModuleType("__main__")
    if not arguments[0].startswith("-"):
        sys.argv = arguments
        file = Path(folder, arguments[0])
        sys.path[0] = str(file.parent)
        main_module.__file__ = str(file)
        exec(compile(file.read_bytes(), file, "exec"), vars(main_module))
        return
    switch, program = arguments[0][:2], arguments[0][2:]
    given = arguments[1:] if program or switch == "-" else arguments[2:]
    sys.argv = [switch, *given]
    if switch == "-":
        main_module.__file__ = "<stdin>"
        exec(compile(sys.stdin.read(), "<stdin>", "exec"), vars(main_module))
    elif switch == "-m":
        sys.path[0] = folder
        runpy.run_module(program or arguments[1], run_name="__main__", alter_sys=True)
    else:
        exec(program or arguments[1], vars(main_module))


if __name__ == "__main__":
    main(sys.argv[1])
