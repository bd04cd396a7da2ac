"""Rendering: views and themes."""
