"""A module with an error of its own."""

raise ZeroDivisionError("an error of this module")
