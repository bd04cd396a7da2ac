"""Sharing what was trained and collected: exported folders, cards, the hub, zoos of agents."""
