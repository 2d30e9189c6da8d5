"""Set-up of this checkout: the plugin's own tests run pytest inside pytest."""

pytest_plugins = ["pytester"]
