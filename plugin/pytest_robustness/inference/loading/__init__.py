"""Load a model, ask it for its first answers, and match its outputs to the classes of the data."""
