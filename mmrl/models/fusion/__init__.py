"""Fusions: the tokens of several modalities → one feature vector. One file each.

To add one, write a module with the signature of :class:`mmrl.models.fusion.base.Fusion` and name it
in ``FUSIONS``; or give the configuration a dotted path to your own class.
"""

from __future__ import annotations

from typing import Any, Final, cast

from torch import nn

from mmrl.errors import UserError, unknown
from mmrl.models.fusion.base import Fusion
from mmrl.models.fusion.bilinear import BilinearFusion
from mmrl.models.fusion.concat import ConcatFusion, PlainConcatFusion
from mmrl.models.fusion.cross_attention import CrossAttentionFusion
from mmrl.models.fusion.film import FilmFusion
from mmrl.models.fusion.gated import GatedFusion
from mmrl.models.fusion.weighted_sum import WeightedSumFusion
from mmrl.models.tokens import TokensShape
from mmrl.trust import import_trusted

FUSIONS: Final[dict[str, type[Fusion]]] = {
    "bilinear": BilinearFusion,
    "concat": ConcatFusion,
    "cross_attention": CrossAttentionFusion,
    "film": FilmFusion,
    "gated": GatedFusion,
    "plain_concat": PlainConcatFusion,
    "weighted_sum": WeightedSumFusion,
}


def build_fusion(name: str, shapes: dict[str, TokensShape], features: int) -> Fusion:
    """The fusion of that name, or of a dotted path such as ``my_package.fusion.Mine``.

    Args:
        name: a key of :data:`FUSIONS`, or a dotted path.
        shapes: of each modality's tokens, by observation key.
        features: width of the features.

    Raises:
        UserError: unknown name, or a path that does not lead to a fusion.
    """
    if name in FUSIONS:
        try:
            return FUSIONS[name](shapes, features)
        except ValueError as error:
            raise UserError(f"fusion {name!r}: {error}") from error
    module, _, attribute = name.rpartition(".")
    if not module:
        raise unknown("fusion", name, FUSIONS)
    try:
        found: Any = getattr(import_trusted(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"fusion {name!r} cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UserError(f"fusion {name!r} is no torch.nn.Module: give the dotted path to a class")
    return cast("Fusion", found(shapes, features))


__all__ = ["FUSIONS", "Fusion", "build_fusion"]
