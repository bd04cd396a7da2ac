"""Encoders: one modality → Tokens. See :mod:`mmrl.models.encoders.base`."""
