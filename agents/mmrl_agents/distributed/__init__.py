"""Distributed training under Ray."""
