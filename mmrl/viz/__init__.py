"""Visualisation: clips, contact sheets, TensorBoard, and the pygame window."""
