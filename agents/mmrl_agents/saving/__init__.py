"""Saving and loading stable-baselines3 algorithms without pickle."""
