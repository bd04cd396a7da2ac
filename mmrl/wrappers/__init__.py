"""Wrappers: any Gymnasium environment → the contract. One behaviour a file."""
