"""Image files in folders, on a disk or at a URL: list them, tell their classes, find files that hold many images."""
