"""Networks: policy, memory, auxiliary losses, optimizers."""
