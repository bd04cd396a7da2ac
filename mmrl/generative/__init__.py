"""Generators that speak the :class:`~mmrl.tokens.Tokens` which the policy's encoders speak."""
