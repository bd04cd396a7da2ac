"""Image search: a shared embedding of images and sentences, and an index of images."""

from mmrl.retrieval.embedding import SharedEmbedding, contrastive_loss

__all__ = ["SharedEmbedding", "contrastive_loss"]
