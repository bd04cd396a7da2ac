"""Adapting any Gymnasium environment to the contract: what each observation becomes, and why."""
