"""A cluster of Ray on this machine: a head that computes nothing, and nodes with a core each.

``python benchmarks/nodes.py`` prints its address and then obeys the lines that it reads: ``kill`` ends every process of
a node at once, ``add`` adds one. It answers each with ``done``, and ends with its input. `Nodes` runs it: Ray's own
processes then have no part in the process that asks.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# A busy machine starts them slowly.
_START_SECONDS = 300
_TRIALS = 20


class Nodes:
    """Two nodes, as long as nobody kills one; ``options`` are those of a run on them."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, __file__]
        environment = os.environ | {"RAY_worker_niceness": "0"}  # on a busy machine an actor would hardly get a turn
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        self._killed = 0
        address = self._answer().removeprefix("address ")
        self.options = ("--robustness-executor=ray", f"--robustness-ray-address={address}")

    def kill_one(self) -> None:
        """End every process of the node that was added first."""
        self._killed += 1
        self._ask("kill")

    def complete(self) -> None:
        """Add a node for each that was killed."""
        while self._killed:
            self._killed -= 1
            self._ask("add")

    def close(self) -> None:
        """End the cluster."""
        self._process.communicate()

    def _ask(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        """Return the next line that is an answer: Ray writes to the same output."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(("address ", "done")):
                return line.strip()
        raise RuntimeError("The cluster did not start.")


def main() -> None:
    """Start the cluster and obey."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = _patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
    nodes = [_added(cluster) for _ in range(2)]
    print(f"address {cluster.address}", flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            cluster.remove_node(nodes.pop(0), allow_graceful=False)
        else:
            nodes.append(_added(cluster))
        print("done", flush=True)
    cluster.shutdown()


def _added(cluster: Any) -> Any:
    """Add a node with a core, and wait until it is there."""
    node = _patiently(lambda: cluster.add_node(wait=False, num_cpus=1))
    cluster.wait_for_nodes(timeout=_START_SECONDS)
    return node


def _patiently(start: Callable[[], Any]) -> Any:
    """Start something of Ray's, which gives up after 30 s however busy the machine is: a few times."""
    for _ in range(_TRIALS):
        with contextlib.suppress(Exception):
            return start()
    return start()


if __name__ == "__main__":
    main()
