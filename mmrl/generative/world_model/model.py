"""The world model: the tokens of the images so far, an instruction and an action → the next
image's tokens, the reward and the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.generative.world_model.outcome_head import Outcome, OutcomeHead
from mmrl.generative.world_model.spatial_memory import EgoMotion, Motion, Places, Seen
from mmrl.generative.world_model.state import Batch, ImaginedStep, RelabelledSteps, State
from mmrl.generative.world_model.transformer import FrameTransformer
from mmrl.models.encoders.base import TextEncoder
from mmrl.models.model import autocast

_CODE_WIDTH: Final = 16  # of the tokens' vectors by which motions are foretold


class Told(NamedTuple):
    """Instructions as they are read: what they are about, float [B, D], their words, float
    [B, L, D], and which of these there are, bool [B, L].
    """

    about: Tensor
    words: Tensor
    mask: Tensor


class WorldModel(nn.Module):
    """p(next image's tokens, reward, end | tokens so far, instruction, action).

    An image is a grid of tokens (:class:`mmrl.generative.image.tokenizer.ImageTokenizer`). A step
    is foretold in three parts. How the view moves: one of the rigid motions that were found in the
    data. What it shows then: a transformer, which knows for each place what was last seen there,
    tells all tokens at once; to point at what was seen is as easy for it as to name a token. What
    comes of it: reward and end, by a summary token that attends to the new image and to the
    instruction. Dreams are drawn step by step, the transformer's keys and values are kept. After
    IRIS (Micheli et al., 2023) and Genie (Bruce et al., 2024); without a motion but standing still,
    what was last seen is the last image.

    Args:
        codes: how many tokens there are.
        grid: rows and columns of an image's tokens.
        actions: how many.
        motions: of the view, the first one is to stand still.
        text: encoder of the instructions; None for a model that is not told them.
        width, heads: of the transformers.
        layers: of the one that tells images.
        outcome_layers: of the one that tells reward and end.
        frames: that the former looks back at.
        margin: places around the view that are remembered.
        precision: fp32, or bf16 for matrix products in bfloat16.
    """

    def __init__(
        self,
        codes: int,
        grid: tuple[int, int],
        actions: int,
        motions: Sequence[Motion],
        text: TextEncoder | None,
        *,
        width: int = 96,
        heads: int = 4,
        layers: int = 2,
        outcome_layers: int = 2,
        frames: int = 8,
        margin: int = 7,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        self.codes, self.grid, self.actions = codes, grid, actions
        self.precision = precision
        tokens = grid[0] * grid[1]
        self.odometry = EgoMotion(motions, grid, codes, actions)
        self.places = Places(motions, grid, margin, nothing=codes)
        self.text = text
        self.read = None if text is None else nn.Linear(text.shape.width, width)
        self.foretell = nn.Sequential(
            nn.Embedding(codes, _CODE_WIDTH),
            nn.Flatten(-2),
            nn.Linear(tokens * _CODE_WIDTH, width),
        )
        self.choose = nn.Sequential(nn.GELU(), nn.Linear(width, len(motions)))
        self.code = nn.Embedding(codes + 1, width)
        self.enter = nn.Linear(3 * width, width)
        self.position = nn.Parameter(torch.randn(tokens, width) * 0.5)
        self.action = nn.Embedding(actions, width)
        self.transformer = FrameTransformer(width, heads, layers, frames)
        self.name, self.point = nn.Linear(width, codes), nn.Linear(width, 2)
        self.after = nn.Linear(2 * width, width)
        self.outcome = OutcomeHead(width, heads, outcome_layers)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.position.device

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """What is to become small, ``loss``, and its parts: means, over the steps that count, of
        -ln p of a token, of the motion, of a reward's and of the end's coming, and the squared
        error of rewards.
        """
        with autocast(self.precision, self.device):
            logits = self._next(batch)
            told = self._outcome(batch, batch.ids[:, 1:])
            motions = self._motions(batch.ids[:, :-1], batch.actions)
        count = batch.there
        losses = {
            "tokens": functional.cross_entropy(
                logits[count].flatten(0, 1), batch.ids[:, 1:][count].flatten()
            ),
            "motion": functional.cross_entropy(motions[count], batch.motions[count]),
            **told.losses(batch.rewards.flatten(), batch.ends.flatten(), count.flatten()),
        }
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}

    def judgement_loss(self, judged: RelabelledSteps) -> Tensor:
        """Mean -ln p of a reward's and of the end's coming where an instruction is carried out, and
        of neither elsewhere.
        """
        with autocast(self.precision, self.device):
            told = self._judge(judged.ids, judged.newest, judged.actions, self._told(judged.words))
        logits = torch.stack([told.rewarded, told.end])
        done = judged.done.float().expand_as(logits)
        return functional.binary_cross_entropy_with_logits(logits, done)

    @torch.no_grad()
    def predict(self, batch: Batch) -> ImaginedStep:
        """The most probable next step after each true one, [B, T] of them."""
        with autocast(self.precision, self.device):
            ids = self._next(batch).argmax(-1)
            rewards, ends = self._outcome(batch, ids).expected()
        shape = batch.actions.shape
        return ImaginedStep(ids, rewards.view(shape), ends.view(shape))

    @torch.no_grad()
    def observe(
        self, ids: Tensor, actions: Tensor, words: Tensor, lengths: Tensor | None = None
    ) -> State:
        """Where B episodes stand after T steps.

        Args:
            ids: tokens of their images, int64 [B, T + 1, K].
            actions: between them, int64 [B, T].
            words: token ids of the instructions, integers [B, L].
            lengths: how many of the steps were made in each, int64 [B]; all, if None.
        """
        steps = actions.shape[1]
        if lengths is None:
            lengths = torch.full((len(ids),), steps, device=ids.device)
        recalled, seen = self.recall(ids, actions, lengths)
        cache = self.transformer.begin(*ids[:, 0].shape)
        if steps:
            with autocast(self.precision, self.device):
                x = self._inputs(ids[:, :-1], *recalled[:2], actions, self._told(words))
                _, cache = self.transformer(x, cache, lengths)
        present = ids[torch.arange(len(ids), device=ids.device), lengths]
        return State(present, seen, cache, words, torch.zeros_like(lengths, dtype=torch.bool))

    def recall(
        self, ids: Tensor, actions: Tensor, lengths: Tensor
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Seen]:
        """What is remembered along episodes; arguments as for :meth:`observe`.

        Returns:
            newest and before, int64 [B, T, K], as in :class:`Batch`, and the motions int64 [B, T];
            and what is remembered at the end.
        """
        motions = self.odometry(
            ids[:, :-1].flatten(0, 1), ids[:, 1:].flatten(0, 1), actions.flatten()
        ).view(actions.shape)
        seen = self.places.begin(ids[:, 0])
        newest, before = torch.empty_like(ids[:, 1:]), torch.empty_like(ids[:, 1:])
        for t in range(actions.shape[1]):
            moved = self.places.move(seen, motions[:, t])
            newest[:, t], before[:, t] = self.places.recall(moved)
            moved = self.places.write(moved, ids[:, t + 1])
            goes_on = (t < lengths)[:, None]
            seen = Seen(*(torch.where(goes_on, *pair) for pair in zip(moved, seen, strict=True)))
        return (newest, before, motions), seen

    @torch.no_grad()
    def imagine(
        self,
        state: State,
        actions: Tensor,
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
        goes_on: bool = False,
    ) -> tuple[ImaginedStep, State]:
        """N more steps of B dreams; where an episode has ended, nothing happens any more: its
        image stays, and what else the state holds of it counts no more.

        Args:
            state: where they stand.
            actions: int64 [B, N].
            temperature: of the drawing of tokens; 0 takes the most probable ones.
            generator: that draws.
            goes_on: dream on whatever is foretold of ends, where it is known that there are none.
        """
        steps = []
        with autocast(self.precision, self.device):
            told = self._told(state.words)
            for action in actions.unbind(1):
                step, after = self._step(state, action, told, temperature, generator)
                state = after._replace(over=state.over) if goes_on else after
                steps.append(step)
        return ImaginedStep(*(torch.stack(column, 1) for column in zip(*steps, strict=True))), state

    def _step(
        self,
        state: State,
        action: Tensor,
        told: Told,
        temperature: float,
        generator: torch.Generator | None,
    ) -> tuple[ImaginedStep, State]:
        """One step: ids [B, K], rewards [B], ends [B]."""
        motion = self._motions(state.ids, action).argmax(-1)
        seen = self.places.move(state.seen, motion)
        newest, before = self.places.recall(seen)
        x = self._inputs(
            state.ids[:, None], newest[:, None], before[:, None], action[:, None], told
        )
        h, cache = self.transformer(x, state.cache)
        logits = self._logits(h, newest[:, None], before[:, None])[:, 0]
        ids = _drawn(logits, temperature, generator)
        rewards, ends = self._judge(ids, newest, action, told).expected()
        seen = self.places.write(seen, ids)
        ids = torch.where(state.over[:, None], state.ids, ids)
        after = State(ids, seen, cache, state.words, state.over | ends)
        return ImaginedStep(ids, rewards.masked_fill(state.over, 0), after.over), after

    def _next(self, batch: Batch) -> Tensor:
        """Logits of the next tokens, float32 [B, T, K, codes]."""
        told = self._told(batch.words)
        x = self._inputs(batch.ids[:, :-1], batch.newest, batch.before, batch.actions, told)
        h, _ = self.transformer(x, self.transformer.begin(len(x), x.shape[2]))
        return self._logits(h, batch.newest, batch.before)

    def _outcome(self, batch: Batch, ids: Tensor) -> Outcome:
        """Of all steps, B · T of them, that lead to tokens int64 [B, T, K]."""
        times = batch.actions.shape[1]
        told = Told(*(one.repeat_interleave(times, 0) for one in self._told(batch.words)))
        return self._judge(
            ids.flatten(0, 1), batch.newest.flatten(0, 1), batch.actions.flatten(), told
        )

    def _told(self, words: Tensor) -> Told:
        """What is known of B instructions."""
        if self.text is None or self.read is None:
            nothing = self.position.new_zeros(len(words), 1, self.position.shape[1])
            return Told(nothing[:, 0], nothing, torch.zeros_like(nothing[..., 0]).bool())
        tokens = self.text(words)
        mean = tokens.mean()
        about = self.read(functional.layer_norm(mean, mean.shape[1:]))
        return Told(about, self.read(tokens.values), tokens.mask)

    def _motions(self, ids: Tensor, actions: Tensor) -> Tensor:
        """Logits of the motions, float32 [..., M], by tokens [..., K] and actions [...]."""
        hidden = self.foretell(ids) + self.action(actions)
        return self.choose(hidden).float() + self.odometry.prior[actions]

    def _inputs(
        self,
        ids: Tensor,
        newest: Tensor,
        before: Tensor,
        actions: Tensor,
        told: Told,
    ) -> Tensor:
        """What the transformer is given of T steps, float [B, T, K, width]; see :class:`Batch`."""
        tokens = torch.cat([self.code(ids), self.code(newest), self.code(before)], -1)
        step = self.action(actions) + told.about[:, None]
        return self.enter(tokens) + self.position + step.unsqueeze(2)

    def _logits(self, h: Tensor, newest: Tensor, before: Tensor) -> Tensor:
        """Logits of tokens, float32 [B, T, K, codes]: named, or pointed at."""
        logits = self.name(h).float()
        points = self.point(h).float()
        logits = functional.pad(logits, (0, 1))
        for k, seen in enumerate((newest, before)):
            logits = logits.scatter_add(-1, seen.unsqueeze(-1), points[..., k : k + 1])
        return logits[..., :-1]

    def _judge(self, ids: Tensor, newest: Tensor, actions: Tensor, told: Told) -> Outcome:
        """What N steps came to, from the tokens that they led to and what had been seen there."""
        frame = self.after(torch.cat([self.code(ids), self.code(newest)], -1)) + self.position
        return self.outcome(self.action(actions), frame, *told)


def _drawn(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    """Tokens, int64 [B, K], of logits [B, K, codes]."""
    if temperature <= 0:
        return logits.argmax(-1)
    shares = (logits / temperature).softmax(-1)
    drawn = torch.multinomial(shares.flatten(0, 1), 1, generator=generator)
    return drawn.view(logits.shape[:-1])
