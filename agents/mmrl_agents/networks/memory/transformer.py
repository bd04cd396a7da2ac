"""A transformer as memory: causal attention over the last steps of the episode, with a KV cache.

Names end with the axes of their tensors: T steps, N environments, K = W + T keys (W of the cache),
H heads, D width of a head, F features, E width of the transformer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl_agents.networks.memory.base import Memory


class TransformerMemory(Memory):
    """A gated transformer (GTrXL, Parisotto et al., 2020) over a sliding window.

    Each layer attends to its own step and the ``window`` steps before, of the same episode. The
    state holds their keys and values, so that a step costs one step's work; it grows with
    ``layers`` · ``window`` · ``size``.

    Args:
        width: F of the features.
        size: E, width of the layers and of the output.
        layers: how many.
        heads: of the attention; they divide ``size``.
        window: W, earlier steps that a layer attends to.

    Raises:
        ValueError: sizes below 1, or heads that do not divide the width.
    """

    def __init__(
        self, width: int, *, size: int = 128, layers: int = 2, heads: int = 4, window: int = 32
    ) -> None:
        if min(size, layers, heads, window) < 1 or size % heads:
            raise ValueError(
                f"size={size}, layers={layers}, heads={heads}, window={window}: all must be at "
                "least 1, and heads divide size"
            )
        super().__init__()
        self.project = nn.Linear(width, size)
        self.layers = nn.ModuleList(GatedLayer(size, heads, window) for _ in range(layers))
        self.norm = nn.LayerNorm(size)
        self.features, self._window = size, window
        self._entry = 2 * layers * size + 1  # keys and values, and whether they are there
        self.state_size = window * self._entry

    def step(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Memory.step`."""
        starts_TN = torch.zeros(1, len(features), dtype=torch.bool, device=features.device)
        out_TNE, state = self._attend(features.unsqueeze(0), state, starts_TN)
        return out_TNE.squeeze(0), state

    def sequences(self, features: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """As :meth:`Memory.sequences`."""
        return self._attend(features, state, starts)[0]

    def _attend(
        self, features_TNF: Tensor, state: Tensor, starts_TN: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Features [T, N, E] and the next state; arguments as of :meth:`Memory.sequences`."""
        cached = state.unflatten(1, (self._window, self._entry)).transpose(0, 1)  # [W, N, …]
        episode_TN = starts_TN.long().cumsum(0)
        episode_KN = torch.cat([torch.zeros_like(cached[..., -1], dtype=torch.long), episode_TN])
        there_KN = torch.cat([cached[..., -1] > 0.5, torch.ones_like(starts_TN)])
        visible_NTK = self._visible(episode_TN, episode_KN, there_KN)
        h_TNE = self.project(features_TNF)
        kept = []
        for layer, past_WN2E in zip(
            self.layers, cached[..., :-1].chunk(len(self.layers), -1), strict=True
        ):
            h_TNE, cache_KN2E = layer(h_TNE, past_WN2E, visible_NTK)
            kept.append(cache_KN2E[-self._window :])
        is_kept_KN = there_KN & (episode_KN == episode_TN[-1])
        flags = is_kept_KN[-self._window :].to(h_TNE.dtype).unsqueeze(-1)
        after = torch.cat([*kept, flags], -1).transpose(0, 1).flatten(1)
        return self.norm(h_TNE), after

    def _visible(self, episode_TN: Tensor, episode_KN: Tensor, there_KN: Tensor) -> Tensor:
        """Which keys each step attends to: of its own episode, not later, within the window."""
        steps, keys = len(episode_TN), len(episode_KN)
        distance_TK = _distances(steps, keys, episode_TN.device)
        near_TK = (distance_TK >= 0) & (distance_TK <= self._window)
        same_NTK = episode_TN.T.unsqueeze(2) == episode_KN.T.unsqueeze(1)
        return same_NTK & there_KN.T.unsqueeze(1) & near_TK


class GatedLayer(nn.Module):
    """Attention and a feed-forward network, each behind a norm and a gate.

    Args:
        size: E.
        heads: H.
        window: W, the largest distance of a key.
    """

    def __init__(self, size: int, heads: int, window: int) -> None:
        super().__init__()
        self._heads, self._window = heads, window
        self.norm, self.norm_after = nn.LayerNorm(size), nn.LayerNorm(size)
        self.query, self.key_value = nn.Linear(size, size), nn.Linear(size, 2 * size)
        self.out = nn.Linear(size, size)
        self.distance = nn.Parameter(torch.zeros(heads, window + 1))  # added to the logits
        self.feed_forward = nn.Sequential(
            nn.Linear(size, 2 * size), nn.ReLU(), nn.Linear(2 * size, size)
        )
        self.gate, self.gate_after = Gate(size), Gate(size)

    def forward(
        self, h_TNE: Tensor, past_WN2E: Tensor, visible_NTK: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One layer.

        Args:
            h_TNE: of the steps.
            past_WN2E: keys and values of the steps before.
            visible_NTK: what each step attends to.

        Returns:
            The steps, and all keys and values, [K, N, 2E].
        """
        normed_TNE = self.norm(h_TNE)
        cache_KN2E = torch.cat([past_WN2E, self.key_value(normed_TNE)])
        q_NHTD = self._split(self.query(normed_TNE))
        k_NHKD, v_NHKD = map(self._split, cache_KN2E.chunk(2, -1))
        bias_HTK = self._bias(len(h_TNE), len(cache_KN2E))
        logits_NHTK = torch.where(visible_NTK.unsqueeze(1), bias_HTK, float("-inf"))
        read_NHTD = functional.scaled_dot_product_attention(
            q_NHTD, k_NHKD, v_NHKD, attn_mask=logits_NHTK
        )
        read_TNE = self.out(read_NHTD.permute(2, 0, 1, 3).flatten(2))
        h_TNE = self.gate(h_TNE, torch.relu(read_TNE))
        after_TNE = self.feed_forward(self.norm_after(h_TNE))
        return self.gate_after(h_TNE, torch.relu(after_TNE)), cache_KN2E

    def _split(self, x_XNE: Tensor) -> Tensor:
        """[X, N, E] → [N, H, X, D]."""
        return x_XNE.unflatten(2, (self._heads, -1)).permute(1, 2, 0, 3)

    def _bias(self, steps: int, keys: int) -> Tensor:
        """The learned bias of each distance, [H, T, K]."""
        distance_TK = _distances(steps, keys, self.distance.device)
        return self.distance[:, distance_TK.clamp(0, self._window)]


class Gate(nn.Module):
    """GTrXL's gate, a GRU cell between what a layer gets and what it computes; it begins almost
    closed, so that the untrained memory passes features on.

    Args:
        size: of both.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.of_new, self.of_old = nn.Linear(size, 3 * size), nn.Linear(size, 2 * size, bias=False)
        self.of_reset = nn.Linear(size, size, bias=False)
        with torch.no_grad():
            self.of_new.bias[size : 2 * size] = -2.0

    def forward(self, old: Tensor, new: Tensor) -> Tensor:
        """Two tensors […, E] → one."""
        reset, update, candidate = self.of_new(new).chunk(3, -1)
        old_reset, old_update = self.of_old(old).chunk(2, -1)
        share = torch.sigmoid(update + old_update)
        fresh = torch.tanh(candidate + self.of_reset(torch.sigmoid(reset + old_reset) * old))
        return (1 - share) * old + share * fresh


def _distances(steps: int, keys: int, device: torch.device) -> Tensor:
    """How many steps before step t key k is, int64 [T, K]; the last keys are the steps."""
    t = torch.arange(keys - steps, keys, device=device)
    return t.unsqueeze(1) - torch.arange(keys, device=device)
