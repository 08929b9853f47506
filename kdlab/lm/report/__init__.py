"""What the numbers of a run with language models say, in sentences that hold for any run."""
