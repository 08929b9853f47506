"""What every world shares: precision and recall, the positions of a slider, numbers in words, files. numpy only."""
