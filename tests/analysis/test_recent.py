"""What was asked for last is kept, within a number of bytes."""

from __future__ import annotations

import random

from pytest_robustness.analysis.recent import Recent


def test_it_keeps_what_fits_of_what_was_asked_for_last():
    rng, kept = random.Random(0), Recent[int, str](10)
    order: list[tuple[int, int]] = []  # key and size, the latest last
    for _ in range(500):
        key, size = rng.randrange(6), rng.randrange(1, 13)
        if rng.random() < 0.5:
            kept.put(key, f"{key}", size)
            order = [(other, held) for other, held in order if other != key]
            order += [(key, size)] * (size <= 10)
            while sum(held for _, held in order) > 10:
                order.pop(0)
        else:
            present = [pair for pair in order if pair[0] == key]
            assert kept.get(key) == (f"{key}" if present else None)
            order = [pair for pair in order if pair[0] != key] + present
