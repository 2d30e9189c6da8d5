"""No two processes compute the same shard, and a dead one holds none."""

from __future__ import annotations

import subprocess
import sys

from pytest_robustness.core import Shard
from pytest_robustness.inference.claims import ShardClaims

SHARDS = [Shard(0, 5), Shard(5, 10), Shard(10, 12)]


def test_a_shard_that_one_holds_is_passed_over_by_the_other_until_it_is_released(tmp_path):
    one, other = ShardClaims(tmp_path / "locks", "photos"), ShardClaims(tmp_path / "locks", "photos")
    assert next(one.claim(SHARDS)) == SHARDS[0]
    assert list(other.claim(SHARDS)) == SHARDS[1:]
    assert list(one.claim(SHARDS[1:])) == []
    other.release(SHARDS[2])
    assert list(one.claim(SHARDS[1:])) == [SHARDS[2]]


def test_shards_are_claimed_only_as_they_are_asked_for(tmp_path):
    one, other = ShardClaims(tmp_path, "photos"), ShardClaims(tmp_path, "photos")
    ones, others = one.claim(SHARDS), other.claim(SHARDS)
    assert [next(ones), next(others), next(ones)] == SHARDS


def test_other_data_has_other_shards(tmp_path):
    one, other = ShardClaims(tmp_path, "photos"), ShardClaims(tmp_path, "drawings")
    assert list(one.claim(SHARDS)) == SHARDS
    assert list(other.claim(SHARDS)) == SHARDS


def test_a_shard_that_was_never_claimed_can_be_released(tmp_path):
    claims = ShardClaims(tmp_path, "photos")
    claims.release(SHARDS[0])
    assert list(claims.claim(SHARDS)) == SHARDS


def test_a_process_that_dies_gives_its_shards_back(tmp_path):
    script = (
        "import sys, time; from pathlib import Path;"
        "from pytest_robustness.inference.claims import ShardClaims; from pytest_robustness.core import Shard;"
        "claims = ShardClaims(Path(sys.argv[1]), 'photos');"
        "print(list(claims.claim([Shard(0, 5)])), flush=True); time.sleep(600)"
    )
    claims = ShardClaims(tmp_path, "photos")
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "[Shard(start=0, stop=5)]\n"
        assert list(claims.claim(SHARDS)) == SHARDS[1:]
        process.kill()
        process.wait()
    assert list(claims.claim(SHARDS[:1])) == SHARDS[:1]
