"""Hindsight: what a failed episode has done is learnt from as if it had been asked for.

Andrychowicz et al. (2017) do so with goals; with instructions, somebody has to say in words what
was done: the environment's verifier, or a captioner (HIGhER: Cideron et al., 2019).
"""
