"""The sweep: find what the store lacks of the jobs of a run, and have an executor compute it, shard by shard."""
