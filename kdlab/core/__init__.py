"""What every world shares: the two numbers, and files that are whole or not there. numpy only."""
