"""BabyAI's grid worlds, compiled and batched."""
