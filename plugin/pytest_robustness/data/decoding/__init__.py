"""From the bytes of an image file to pixels: which formats are read, what headers say, and how PIL is kept to it."""
