"""Stands for the Python process that `server` forks: has its streams, and ends as it does.

It imports the standard library alone, and is started with ``-I -S``, so that it runs within some milliseconds.
"""

import json
import os
import signal
import socket
import sys


def main(address: str, arguments: list[str]) -> int:
    """Have the server at ``address`` fork a process that runs ``python ARGUMENTS`` here; return its exit status."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        folder = os.getcwd()  # noqa: PTH109 (pathlib takes as long to import as all else here)
        request = json.dumps([arguments, dict(os.environ), folder]).encode()
        socket.send_fds(server, [request], [0, 1, 2])
        for stream in (0, 1, 2):  # whoever reads them waits for the forked process alone
            os.close(stream)
        status = int(server.recv(64) or -signal.SIGKILL)
    if status < 0:
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    os._exit(main(sys.argv[1], sys.argv[2:]))
