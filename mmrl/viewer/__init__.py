"""Playing and watching: one environment in a window, by hand or by an agent."""
