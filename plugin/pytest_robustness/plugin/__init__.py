"""Everything that knows pytest: hooks, fixtures, options, and the session that tests ask."""
