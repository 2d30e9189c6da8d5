"""The sweep: one pass over the images that computes every missing cell.

`jobs` says what is to be computed, `inputs` makes a model's input of a canvas, `sweep` does the pass.
"""
