"""Imitation learning: policies that learn from what a demonstrator did.

Behaviour cloning of datasets or of an environment's expert, and DAgger.
"""
