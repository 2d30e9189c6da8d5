"""Everything that knows pytest: hooks, fixtures, options on its command line, and several processes."""
