"""The batched state of grid worlds, and what kernels are made of."""
