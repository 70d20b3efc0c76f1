"""Pure functions on arrays: from curves and errors to scores, from scores to aggregates with intervals and ranks."""
