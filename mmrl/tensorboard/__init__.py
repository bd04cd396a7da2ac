"""What TensorBoard shows beside curves: rollout clips, instructions, hyperparameters."""
