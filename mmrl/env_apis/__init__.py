"""Environments that are no registered Gymnasium ids: classes and objects, old Gym, PettingZoo."""
