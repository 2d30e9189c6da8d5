"""Transforms of batches on the CPU: compiled kernels that work image by image, with the pixels of PyTorch's operations.

PyTorch splits each of its operations over all cores and waits for the last of them, so that a batch waits as often as
there are operations, wherever another process keeps a core busy. A kernel takes an image at a time through all of them,
on whichever thread is free. Everything here takes and returns arrays; `choice` says where they are used.
"""
