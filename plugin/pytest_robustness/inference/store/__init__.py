"""The store: predictions in one SQLite file, under keys that are hashes of content, image by image."""
