"""What agents that learn from recorded episodes share: reading, storing, splitting, training."""
