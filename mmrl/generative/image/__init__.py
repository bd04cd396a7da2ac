"""Image generation: tokenizers, painter, sprites."""
