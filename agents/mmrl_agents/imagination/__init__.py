"""Imagination: a policy is trained in a world model (Dreamer, Hafner et al., 2020; IRIS, Micheli
et al., 2023).
"""
