"""Offline reinforcement learning: policies that learn from recorded rewards, without interaction.

Implicit Q-learning, conservative Q-learning, and TD3 with behaviour cloning.
"""
