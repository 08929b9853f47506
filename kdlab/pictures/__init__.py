"""The drawing kit of all worlds, static and live: colours, the precision-recall plane, a view behind a question."""
