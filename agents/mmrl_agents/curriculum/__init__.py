"""Curricula: levels that there is still something to learn from are replayed, or edited.

Prioritised level replay (Jiang et al., 2021) keeps the seeds of such scenes; ACCEL (Parker-Holder
et al., 2022) edits these levels, and keeps the edited ones where their score is high enough.
"""
