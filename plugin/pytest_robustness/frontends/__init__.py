"""Front ends: what people use - the pytest plugin, the Python API, the command - and the session that answers them."""
