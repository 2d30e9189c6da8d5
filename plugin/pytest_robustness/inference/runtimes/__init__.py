"""Ways to run models. A new one is a file here that satisfies `records.Runtime`, and its line in `choice`."""
