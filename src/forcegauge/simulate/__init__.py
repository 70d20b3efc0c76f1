"""What the worker does with a model in slices: states in, states out, nothing remembered in between."""
