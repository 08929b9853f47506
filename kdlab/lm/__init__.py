"""The language-model wing: SmolLM2 as p*, teachers and students trained from scratch on its samples.

Imported only when asked for, as it brings torch and transformers. Read in this order: ``sizes`` (the shapes of the
family), ``weights`` (where a p* comes from), ``tokens`` (corpora on disk), ``sampling``, ``training``, ``scoring``.
"""
