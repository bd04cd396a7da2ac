"""The instruction language of the grid worlds."""
