"""Colours by the order in which a sentence names them: "the first one" instead of "red"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

_NONE: Final = -1


class ColorNames(nn.Module):
    """Colours have a name in an example alone: the first one that its sentence names is called 0,
    the next one 1, and those that it does not name get the other names, drawn.

    Who reads sentences and paints pictures under such names never learns which colour it was, as
    readers of anonymised entities know these by what is said of them alone (Hermann et al., 2015).
    All colours are the same to it, so that what it learnt of keys holds for keys of any colour. No
    picture or sentence is changed into another one by it, or added.

    Args:
        words: ids of the words for colours.
        meanings: the number of each word's colour.
        colors: how many there are.
        vocabulary: ids of words are below this; names follow.
    """

    _colors: Tensor

    def __init__(
        self, words: Sequence[int], meanings: Sequence[int], colors: int, vocabulary: int
    ) -> None:
        super().__init__()
        table = torch.full((vocabulary,), _NONE)
        table[list(words)] = torch.tensor(list(meanings))
        self.colors, self.vocabulary = colors, vocabulary
        self.register_buffer("_colors", table, persistent=False)

    def draw(self, sentences: Tensor, generator: torch.Generator) -> Tensor:
        """What each colour is called in each sentence.

        Args:
            sentences: ids, integers [B, L].
            generator: on the CPU, the only source of chance.

        Returns:
            A permutation for each, int64 [B, C]: at c, the name of colour c.
        """
        color = self._colors[sentences.long()]
        never = color.shape[1]
        place = torch.arange(never, device=color.device).expand_as(color)
        first = torch.full((len(color), self.colors + 1), never, device=color.device)
        first.scatter_reduce_(1, torch.where(color == _NONE, self.colors, color), place, "amin")
        chance = torch.rand((len(color), self.colors), generator=generator)
        return (first[:, :-1] + chance.to(color.device)).argsort(1).argsort(1)

    def renamed(self, sentences: Tensor, names: Tensor) -> Tensor:
        """Sentences with names instead of their words for colours: ``vocabulary`` stands for 0.

        Args:
            sentences: ids, integers [B, L].
            names: as :meth:`draw` makes them.
        """
        color = self._colors[sentences.long()]
        called = self.vocabulary + names.gather(1, color.clamp_min(0))
        return torch.where(color == _NONE, sentences, called.to(sentences.dtype))
