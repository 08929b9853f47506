"""Formulas of the site, which are those of a run's pages."""

from kdlab.core.formulas import mathml

__all__ = ["mathml"]
