"""Agents on stable-baselines3 that act on an image and an instruction."""
