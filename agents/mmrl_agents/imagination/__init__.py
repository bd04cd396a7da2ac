"""Imagination: a policy learns in the dreams of a world model (Dreamer, Hafner et al., 2020; IRIS,
Micheli et al., 2023).
"""
