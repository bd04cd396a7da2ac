"""Image search: one space for pictures and sentences, an index of pictures, a sheet of the nearest."""

from mmrl.retrieval.embedding import SharedEmbedding, contrastive_loss

__all__ = ["SharedEmbedding", "contrastive_loss"]
