"""Generative models: text, images and world models, on the same tokens as the policy."""
