"""Image search: images and sentences in one space, an index of images, a sheet of the best."""

from mmrl.retrieval.embedding import SharedEmbedding, contrastive_loss

__all__ = ["SharedEmbedding", "contrastive_loss"]
