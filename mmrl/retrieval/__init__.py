"""Image search: pictures and sentences in one space, an index of pictures, a sheet of the best."""

from mmrl.retrieval.embedding import SharedEmbedding, contrastive_loss

__all__ = ["SharedEmbedding", "contrastive_loss"]
