"""The work of `kdlab measure`: any two models on the plane."""
