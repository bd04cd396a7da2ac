"""An experiment: configuration, run folder, and what an agent is to them."""
