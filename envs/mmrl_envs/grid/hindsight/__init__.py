"""Hindsight: which instructions a trajectory achieved."""
