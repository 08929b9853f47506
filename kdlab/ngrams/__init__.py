"""World 2: chains of letters, as exact as the mixtures."""
