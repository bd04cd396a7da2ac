"""Any encoder's tokens → codes of a picture's patches, one after the other."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.generative.decoder import TextDecoder, evaluating
from mmrl.preprocessing.text import START
from mmrl.tokens import Tokens, TokensShape

_LARGER: Final = 5.0


class PatchDecoder(TextDecoder):
    """p(codes | tokens): a :class:`TextDecoder` of texts that have all the same length.

    Besides attending to the tokens and to the patches before it, every patch begins with the mean
    of the tokens and with which codes have come so far: what is asked for, and what of it is there
    already, is at hand everywhere, before any attention has been learnt.

    Args:
        shape: of the tokens.
        vocabulary: ids are below this; ``START`` begins a picture, and ids up to it are no patches.
        patches: of a picture.
        more: width, layers, heads and dropout of the transformer.
    """

    def __init__(self, shape: TokensShape, vocabulary: int, patches: int, **more: Any) -> None:
        super().__init__(shape, vocabulary, length=patches + 1, **more)
        self.patches = patches
        width = self.project.out_features
        self.asked = nn.Linear(width, width)
        self.there = nn.Linear(vocabulary, width, bias=False)
        with torch.no_grad():
            self.asked.weight.normal_(std=1 / width)
            for embedding in (self.gpt.transformer.wte, self.gpt.transformer.wpe):
                embedding.weight.mul_(_LARGER)

    @torch.no_grad()
    def draw(
        self,
        tokens: Tokens,
        generator: torch.Generator,
        *,
        temperature: float = 1.0,
        guidance: float = 1.0,
    ) -> Tensor:
        """Pictures drawn patch by patch, ids int64 [B, patches].

        Args:
            tokens: B of them, and after them B neutral ones, such as those of an empty sentence.
            generator: on the CPU, the only source of chance.
            temperature: below 1 likelier patches are preferred.
            guidance: 1 draws from p(patch | tokens); above 1 the logits go as many times as far
                from those of the neutral tokens (classifier-free guidance, Ho and Salimans, 2022).

        Raises:
            ValueError: a temperature that is not positive.
        """
        if temperature <= 0:
            raise ValueError(f"temperature={temperature}: must be above 0")
        memory, mask = self._memory(tokens)
        drawn = torch.full((len(tokens) // 2, 1), START, device=memory.device)
        past: Any = None
        with evaluating(self):
            for _ in range(self.patches):
                out = self._read(memory, mask, drawn.repeat(2, 1), past)
                past = out.past_key_values
                asked, neutral = out.logits[:, -1].float().chunk(2)
                logits = neutral + guidance * (asked - neutral)
                logits[:, : START + 1] = -torch.inf
                chances = (logits / temperature).softmax(1).cpu()
                patch = torch.multinomial(chances, 1, generator=generator)
                drawn = torch.cat([drawn, patch.to(drawn.device)], 1)
        return drawn[:, 1:]

    def _logits(self, memory: Tensor, mask: Tensor, given: Tensor) -> Tensor:
        logits: Tensor = self._read(memory, mask, given, None, keep=False).logits
        return logits.float()

    def _read(
        self, memory: Tensor, mask: Tensor, given: Tensor, past: Any, *, keep: bool = True
    ) -> Any:
        """What the transformer makes of patches, int64 [B, L]; of the last of them, where it
        remembers the others.
        """
        is_token = mask.unsqueeze(2)
        mean = (memory * is_token).sum(1, keepdim=True) / is_token.sum(1, keepdim=True)
        so_far = functional.one_hot(given, self.vocabulary).cumsum(1).clamp_max(1).to(memory.dtype)
        new = slice(None) if past is None else slice(-1, None)
        begun = self.gpt.transformer.wte(given[:, new]) + self.there(so_far[:, new])
        return self.gpt(
            inputs_embeds=begun + self.asked(mean),
            encoder_hidden_states=memory,
            encoder_attention_mask=mask,
            past_key_values=past,
            use_cache=keep,
        )
