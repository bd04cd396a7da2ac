"""Hindsight relabelling: failed episodes get an instruction that they did achieve.

Hindsight experience replay (Andrychowicz et al., 2017) relabels goals; instructions are relabelled
by the environment's verifier, or by a captioner (HIGhER: Cideron et al., 2019).
"""
