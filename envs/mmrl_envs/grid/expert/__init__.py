"""The expert (bot): a planner for any instruction."""
