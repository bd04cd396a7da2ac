"""Level generation."""
