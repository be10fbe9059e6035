"""Compare two runs, or two releases over many runs: values in, values out."""
