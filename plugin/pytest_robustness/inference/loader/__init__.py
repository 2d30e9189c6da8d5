"""Read each image once, in processes of their own, and put it on every canvas that some model needs it on."""
