"""How the students of mixtures are found: EM, its starts, and the path along the slider."""
