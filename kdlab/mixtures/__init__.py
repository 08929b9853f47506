"""World 1: Gaussian mixtures, where everything is exact."""
