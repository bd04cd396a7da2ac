"""The pygame window: play an environment by hand, or watch an agent."""
