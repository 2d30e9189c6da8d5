"""One table, however many processes and machines compute it.

``python benchmarks/executors.py`` judges two small models on 1,003 images in shards of 64: in one process, with
pytest-xdist in one, two and three workers under every ``--dist``, with Ray on this machine, and with Ray on two nodes,
each from a folder, from shards of tar, from Parquet and from a URL. Each row says whether ``accuracy.csv`` is, byte for
byte, that of the one process, and how many images were computed again. It fails where a table differs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import thousand
from forms import every_form
from nodes import Nodes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DISTRIBUTIONS = ("load", "loadscope", "loadfile", "loadgroup", "worksteal", "each")
MOST_WORKERS = 3
FORMS = ("folder", "tar", "parquet", "url")


def main() -> None:
    """Print a row for each way to compute, and how many of them give the same table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="WORD", default=[], help="ways that contain one of these words")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS, help="forms of the data")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ways = {name: one for name, one in every_way().items() if _chosen(name, options.only)}
        if _chosen("ray, two nodes", options.only):
            nodes = Nodes()
            stack.callback(nodes.close)
            ways["ray, two nodes"] = nodes.options
        same = compare(Path(folder), ways, options.forms)
    print(f"the same table: {sum(same)} of {len(same)}")
    if not all(same):
        raise SystemExit("The tables differ.")


def every_way() -> Mapping[str, Sequence[str]]:
    """Return the options of each way to compute that needs no cluster, by name."""
    workers = {
        f"-n{count} --dist={distribution}": (f"-n{count}", f"--dist={distribution}")
        for count in range(1, MOST_WORKERS + 1)
        for distribution in DISTRIBUTIONS
    }
    return {**workers, "ray, this machine": ("--robustness-executor=ray",)}


def compare(folder: Path, ways: Mapping[str, Sequence[str]], forms: Sequence[str]) -> list[bool]:
    """Return for each way, and each form of the data, whether it gives the table of one process; print it."""
    plain = thousand.make(folder / "plain")
    thousand.judge(plain, "run")
    expected = thousand.table(plain, "run")
    same = []
    print(f"{'way':<24} {'data':<8} same   again  seconds")
    with every_form(plain / "photos") as specs:
        for (number, (name, arguments)), form in product(enumerate(ways.items()), forms):
            work = thousand.make(folder / f"way-{number}-{form}")
            started = time.monotonic()
            thousand.judge(work, "run", *arguments, f"--robustness-data={specs[form]}")
            seconds = time.monotonic() - started
            same.append(thousand.table(work, "run") == expected)
            again = thousand.computed_twice(work)
            print(f"{name:<24} {form:<8} {same[-1]!s:<6} {again:>5}  {seconds:>7.1f}", flush=True)
    return same


def _chosen(name: str, words: Sequence[str]) -> bool:
    return not words or any(word in name for word in words)


if __name__ == "__main__":
    main()
