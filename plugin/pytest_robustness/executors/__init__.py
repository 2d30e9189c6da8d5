"""Who computes which shard. A new executor is a file here that satisfies `pytest_robustness.records.Executor`."""
