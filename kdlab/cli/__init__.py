"""The command `kdlab`: doctor, fetch, run, results."""

from kdlab.cli.commands import main as main
