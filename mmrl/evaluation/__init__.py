"""Evaluation on episodes that training never saw."""
