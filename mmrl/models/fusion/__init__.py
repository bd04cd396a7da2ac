"""Fusions: the tokens of several modalities → one feature vector. One file each.

To add one, write a module with the signature of :class:`mmrl.models.fusion.base.Fusion` and name it
in ``FUSIONS``; or give the configuration a dotted path to your own class, or the name of an entry
point, see :mod:`mmrl.registry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from torch import nn

from mmrl.errors import UserError, unknown
from mmrl.models.fusion.base import Fusion
from mmrl.models.fusion.bilinear import BilinearFusion
from mmrl.models.fusion.concat import ConcatFusion, PlainConcatFusion
from mmrl.models.fusion.cross_attention import CrossAttentionFusion
from mmrl.models.fusion.film import FilmFusion
from mmrl.models.fusion.gated import GatedFusion
from mmrl.models.fusion.single import SingleReadout
from mmrl.models.fusion.weighted_sum import WeightedSumFusion
from mmrl.models.tokens import TokensShape
from mmrl.registry import FUSIONS as ENTRY_POINTS
from mmrl.registry import find_offered, is_offered
from mmrl.text_output import shortened

FUSIONS: Final[dict[str, type[Fusion]]] = {
    "bilinear": BilinearFusion,
    "concat": ConcatFusion,
    "cross_attention": CrossAttentionFusion,
    "film": FilmFusion,
    "gated": GatedFusion,
    "plain_concat": PlainConcatFusion,
    "weighted_sum": WeightedSumFusion,
}


def build_fusion(
    name: str,
    shapes: dict[str, TokensShape],
    features: int,
    args: Mapping[str, Any] | None = None,
) -> Fusion:
    """The fusion of that name, or of a dotted path such as ``my_package.fusion.Mine``.

    Args:
        name: a key of :data:`FUSIONS`, of an entry point, or a dotted path.
        shapes: of each modality's tokens, by observation key.
        features: width of the features.
        args: further arguments of the class, by name.

    Raises:
        UserError: unknown name, a path that does not lead to a fusion, or arguments that do not
            fit it.
    """
    kind: Any = FUSIONS[name] if name in FUSIONS else _import(name)
    try:
        return cast("Fusion", kind(shapes, features, **(args or {})))
    except (TypeError, ValueError) as error:
        if args:
            raise UserError(
                f"model.fusion_args {dict(args)} do not fit {name}: {shortened(error)}"
            ) from error
        if isinstance(error, TypeError):
            raise
        raise UserError(f"fusion {name!r}: {error}") from error


def check_fusion(name: str) -> None:
    """Refuse a name that no fusion has; nothing is imported.

    Raises:
        UserError: there is none.
    """
    if name not in FUSIONS and not is_offered(ENTRY_POINTS, name):
        raise unknown("fusion", name, FUSIONS)


def _import(name: str) -> type[nn.Module]:
    """The class of an entry point or at a dotted path."""
    found = find_offered(ENTRY_POINTS, name, "fusion", FUSIONS)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UserError(f"fusion {name!r} is no torch.nn.Module: give the dotted path to a class")
    return found


__all__ = ["FUSIONS", "Fusion", "SingleReadout", "build_fusion", "check_fusion"]
