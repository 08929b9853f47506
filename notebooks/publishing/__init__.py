"""The parts of `make site` (notebooks/publish.py), in reading order: formulas, pages, views, animation."""
