"""Trained agents that come with the package: exported runs, each in a folder of its name.

``mmrl zoo`` lists them; ``zoo:NAME`` is one wherever a run is named. ``benchmarks/zoo.py`` makes
the folders.
"""
