"""Text generation: captioner, speech recogniser, translator."""
