"""Auxiliary losses on shared features; one file each."""
