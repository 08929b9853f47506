"""The work of a run with language models: the only place that knows PyTorch."""
