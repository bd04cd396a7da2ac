"""Retrieval metrics: rank of the right candidate, recall at k, mean rank."""

from __future__ import annotations

from torch import Tensor


def ranks(similar: Tensor) -> Tensor:
    """The rank of the right candidate of each query, int64 [N], from 1; ties count against it.

    Args:
        similar: of query n and candidate m, float [N, N]; candidate n is the right one of query n.

    Raises:
        ValueError: not a square matrix.
    """
    if similar.ndim != 2 or similar.shape[0] != similar.shape[1]:
        raise ValueError(f"{list(similar.shape)}: as many candidates as queries are needed")
    return (similar >= similar.diagonal().unsqueeze(1)).sum(1)


def recall(found: Tensor, first: int) -> float:
    """Recall at k (R@k): the share of ranks, int64 [N], up to ``first``."""
    return float((found <= first).double().mean())


def ranking(queries: Tensor, candidates: Tensor) -> dict[str, float]:
    """``r_at_1``, ``r_at_5`` and ``mean_rank`` by the inner product.

    Args:
        queries, candidates: unit vectors float [N, D]; row n of one belongs to row n of the other.
    """
    found = ranks(queries @ candidates.T)
    return {
        "r_at_1": recall(found, 1),
        "r_at_5": recall(found, 5),
        "mean_rank": float(found.double().mean()),
    }
