"""Image and text encoders: one modality → Tokens."""
