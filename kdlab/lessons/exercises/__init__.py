"""The exercises: for each notebook their words, in TOML, and the code of those that ask for a function."""
