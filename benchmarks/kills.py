"""Kill processes at seeded random moments of a sweep, and see that nothing is lost and next to nothing done twice.

``python benchmarks/kills.py`` judges two small models on 1,003 images in shards of 64. In each of ``--moments`` runs it
kills one process with signal 9 when a random number of batches has been computed: a worker of pytest-xdist, an actor of
Ray, all of a node of Ray, or pytest itself. Where the run does not survive that, the next one goes on. Each row says
how many images were computed again (the transform notes every image that it gets) and how many answers the store has
twice. It fails when a table of accuracies differs from that of an undisturbed run, or when more than one shard for each
process that died was computed again.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import thousand
from nodes import Nodes

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

BATCHES = 32
COLUMNS = ("killed", "after batch", "died", "survived", "same", "again", "stored twice")
KINDS = ("worker", "actor", "node", "driver")


class Kill(NamedTuple):
    """What came of one kill; ``died`` is how many computing processes ended with it."""

    kind: str
    moment: int
    died: int
    survived: bool
    same: bool
    computed_twice: int
    stored_twice: int

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, and at most one shard for each process done again."""
        return self.same and self.computed_twice <= self.died * thousand.SHARD


def main() -> None:
    """Print a row for each kill, and how many of each kind were sound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=10, help="kills of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        nodes = None
        if {*options.kinds} != {"worker"}:
            nodes = Nodes()
            stack.callback(nodes.close)
        kills = all_kills(Path(folder), options.kinds, options.moments, options.seed, nodes)
    for kind in options.kinds:
        of_kind = [kill for kill in kills if kill.kind == kind]
        sound = sum(kill.sound for kill in of_kind)
        most = max(kill.computed_twice for kill in of_kind)
        stored = sum(kill.stored_twice for kill in of_kind)
        print(f"{kind}: {sound} of {len(of_kind)} sound; computed again at most {most} images, stored twice {stored}")
    if not all(kill.sound for kill in kills):
        raise SystemExit("Something was lost, or too much was done twice.")
    print(f"sound: {len(kills)} of {len(kills)}")


def all_kills(folder: Path, kinds: Any, moments: int, seed: int, nodes: Nodes | None) -> list[Kill]:
    """Return what came of each kill, and print it."""
    plain = thousand.make(folder / "plain")
    thousand.judge(plain, "plain")
    expected = thousand.table(plain, "plain")
    kills = []
    print(
        f"{'killed':<8} {'after batch':>11} {'died':>4} {'survived':>8} {'same':>5} {'again':>6} {'stored twice':>12}"
    )
    for kind in kinds:
        draw = random.Random(f"{seed} {kind}")
        for number in range(moments):
            work = thousand.make(folder / f"{kind}-{number}", seconds=0.15)
            kill = kill_once(work, kind, draw, expected, nodes)
            kills.append(kill)
            print("  ".join(f"{value!s:>{len(name)}}" for name, value in zip(COLUMNS, kill, strict=True)), flush=True)
    return kills


def kill_once(work: Path, kind: str, draw: random.Random, expected: bytes, nodes: Nodes | None) -> Kill:
    """Kill one process of a run in ``work``, and have the next one finish what is left."""
    moment = draw.randrange(1, BATCHES - 1)
    options = ("-n2",) if kind == "worker" else nodes.options if nodes is not None else ()
    process = thousand.start(work, "--robustness-store=run.sqlite", "--robustness-report=run", *options)
    _wait(process, lambda: len(thousand.calls(work)) >= moment)
    time.sleep(draw.random() * 0.15)  # somewhere within a batch
    computing = {int(call[0]) for call in thousand.calls(work)}
    if kind == "node" and nodes is not None:
        nodes.kill_one()
    else:
        os.kill(process.pid if kind == "driver" else int(thousand.calls(work)[-1][0]), signal.SIGKILL)
    process.communicate()
    # With the driver its actors end, each with a shard that nobody received.
    died = 1 + len(computing) if kind == "driver" else 1
    survived = process.returncode in (0, 1) and thousand.table(work, "run") == expected
    if nodes is not None:
        nodes.complete()
    if not survived:
        thousand.judge(work, "run", *options)
    same = thousand.table(work, "run") == expected
    return Kill(kind, moment, died, survived, same, thousand.computed_twice(work), thousand.stored_twice(work, "run"))


def _wait(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    while not happened():
        if process.poll() is not None:
            raise SystemExit(process.communicate()[0])
        time.sleep(0.005)


if __name__ == "__main__":
    main()
