"""Move the teacher's entropy and watch what the student learns."""

__version__ = "0.1.0"
