"""Tokenizers: sentences → token ids of fixed length, padded with 0.

Shapes: ids are int32 [length].
"""

from __future__ import annotations

import json
import re
import unicodedata
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.files import write_atomically
from mmrl.preprocessing.encoded import EncodedSpace, fingerprint
from mmrl.preprocessing.hub import (
    download_hint,
    hub_cache,
    id_offset,
    in_a_line,
    load_pretrained,
    model_path,
    pretrained_config,
    tower_config,
)
from mmrl.schema import OpenSchema, Schema, read_json
from mmrl.text_output import shortened

PADDING: Final = 0
UNKNOWN: Final = 1
START: Final = 2
_SPECIALS: Final = ("[PAD]", "[UNK]", "[CLS]")
_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_MARKS: Final = "".join(
    re.escape(chr(code))
    for code in range(0x300, 0x10000)
    if unicodedata.category(chr(code)).startswith("M")
)
"""Combining marks, as of Hindi and Thai vowels, which are parts of words."""
_WORD: Final = re.compile(rf"[{_HAN}]|(?:[^\W{_HAN}]|['{_MARKS}])+|[^\w\s]")
_NO_SPACE: Final = re.compile(rf" (?=[,.;:!?，。；：！？])|(?<=[{_HAN}，。；：！？]) (?=[{_HAN}])")
FILE: Final = "tokenizer.json"
UNKNOWN_PIECE: Final = "[UNK]"
Length = Annotated[int, Meta(ge=1, le=2**20)]
"""Ids in an encoded sentence."""
_CACHED: Final = 1 << 16  # sentences whose ids are kept


def split_words(sentence: str) -> list[str]:
    """Words in lower case and composed Unicode (NFC); punctuation marks are words of their own, and
    so is each Chinese character, since nothing stands between Chinese words.
    """
    return _WORD.findall(unicodedata.normalize("NFC", sentence.lower()))


def join_words(words: Iterable[str]) -> str:
    """The sentence of some words: no space before a mark, nor where CJK characters meet."""
    return _NO_SPACE.sub("", " ".join(words))


class Tokenizer(Protocol):
    """A tokenizer: sentences → token ids.

    Attributes:
        size: of the vocabulary; ids are below this.
        length: ids in an encoded sentence, padding included.
        counts: of the sentences so far, see :class:`Counts`.
    """

    size: int
    length: int
    counts: Counts

    @property
    def space(self) -> EncodedSpace:
        """int32 [length], ids below ``size``."""
        ...

    def encode(self, sentence: str) -> NDArray[np.int32]:
        """The ids of a sentence, int32 [length], padded with ``PADDING``, cut at ``length``."""
        ...

    def save(self, folder: Path) -> None:
        """Write what :func:`load_tokenizer` needs into a folder."""
        ...


@dataclass
class Counts:
    """Statistics of the sentences that a tokenizer encoded, each distinct one counted once.

    Attributes:
        sentences: that were encoded.
        truncated: of them, those that were longer than the limit; the first one is warned of.
        unknown: words outside the vocabulary, and how often.
    """

    sentences: int = 0
    truncated: int = 0
    unknown: Counter[str] = field(default_factory=Counter)

    def note(self, sentence: str, tokens: int, limit: int) -> None:
        """Count a sentence."""
        self.sentences += 1
        if tokens > limit:
            if not self.truncated:
                warnings.warn(
                    f"an instruction of {tokens} tokens is cut at {limit}; further ones are only "
                    f"counted. A larger model.instruction_length keeps it whole: {sentence!r}",
                    stacklevel=3,
                )
            self.truncated += 1


class CachingTokenizer(ABC):
    """A tokenizer that encodes each distinct sentence once, as long as it is among the last ones.

    The cache belongs to the object: a copy, pickled or deep, begins with an empty one.

    Args:
        size: ids are below this.
        length: ids in an encoded sentence.
    """

    def __init__(self, size: int, length: int) -> None:
        self.size, self.length = size, length
        self.counts = Counts()
        self._cache: dict[str, NDArray[np.int32]] = {}

    def encode(self, sentence: str) -> NDArray[np.int32]:
        """The ids of a sentence, int32 [length], read-only, padded with ``PADDING``; of an empty
        one, marks alone.
        """
        encoded = self._cache.get(sentence)
        if encoded is None:
            encoded = self._encode(sentence)
            if len(self._cache) >= _CACHED:
                del self._cache[next(iter(self._cache))]  # the oldest
            self._cache[sentence] = encoded
        return encoded

    @abstractmethod
    def _encode(self, sentence: str) -> NDArray[np.int32]:
        """As :meth:`encode`, without the cache."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}}


class WordTokenizer(CachingTokenizer):
    """A word tokenizer: a start mark, then one id a word, for the small vocabularies of grammars.

    Args:
        words: the vocabulary; others become ``UNKNOWN``.
        length: ids in an encoded sentence.
    """

    def __init__(self, words: Iterable[str], length: int = 64) -> None:
        self.words = tuple(sorted({word.lower() for word in words}))
        super().__init__(len(_SPECIALS) + len(self.words), length)
        self._ids = {word: len(_SPECIALS) + k for k, word in enumerate(self.words)}

    @classmethod
    def from_corpus(
        cls, sentences: Iterable[str], length: int = 64, *, min_count: int = 1
    ) -> WordTokenizer:
        """The tokenizer whose vocabulary is the words of a corpus.

        Args:
            sentences: the corpus.
            length: ids in an encoded sentence.
            min_count: rarer words stay unknown.
        """
        counts = Counter(word for sentence in sentences for word in split_words(sentence))
        return cls((word for word, count in counts.items() if count >= min_count), length)

    @cached_property
    def space(self) -> EncodedSpace:
        """int32 [length], ids below ``size``."""
        mark = fingerprint(kind="words", words=self.words, length=self.length)
        words = _SPECIALS + self.words
        return EncodedSpace(0, self.size - 1, (self.length,), np.int32, mark, words)

    def _encode(self, sentence: str) -> NDArray[np.int32]:
        words = split_words(sentence)
        ids = [START, *(self._ids.get(word, UNKNOWN) for word in words)]
        self.counts.note(sentence, len(ids), self.length)
        self.counts.unknown.update(word for word in words if word not in self._ids)
        encoded = np.full(self.length, PADDING, np.int32)
        encoded[: len(ids)] = ids[: self.length]
        encoded.setflags(write=False)
        return encoded

    def ids(self, sentence: str) -> list[int]:
        """The ids of a sentence's words, without marks, padding or a limit.

        Raises:
            ValueError: words outside the vocabulary, with their names.
        """
        words = split_words(sentence)
        unknown = [word for word in words if word not in self._ids]
        if unknown:
            raise ValueError(f"unknown words in {sentence!r}: {', '.join(unknown)}")
        return [self._ids[word] for word in words]

    def decode(self, ids: Iterable[int]) -> str:
        """The sentence of a sequence of ids, padding and start mark left out."""
        names = _SPECIALS + self.words
        return join_words(names[int(i)] for i in ids if i not in (PADDING, START))

    def save(self, folder: Path) -> None:
        """Write the vocabulary as JSON."""
        text = json.dumps({"kind": "words", "length": self.length, "words": self.words}, indent=1)
        write_atomically(folder / FILE, text + "\n")


class PretrainedTokenizer(CachingTokenizer):
    """The tokenizer of a transformers model, by hub name or local path.

    Padding is 0, as everywhere. Where the model pads with another id, such as RoBERTa's 1, all ids
    are larger by one than the tokenizer's own: the text encoder subtracts it again.

    Args:
        name: a packaged model, or as ``AutoTokenizer.from_pretrained`` takes it.
        length: ids in an encoded sentence.
        offset: 0 or 1, by which ids are larger; that of the model, if None.

    Raises:
        UserError: it is neither in the cache nor reachable, or does not fit its model.
    """

    def __init__(self, name: str, length: int = 64, offset: int | None = None) -> None:
        self.name = name
        try:
            self._tokenizer = load_pretrained("AutoTokenizer", model_path(name))
            with in_a_line(name):  # a damaged file may be noticed only in use
                _ = self._tokenizer("a")["input_ids"], self._tokenizer.unk_token_id
        except (OSError, ValueError) as error:
            raise UserError(
                f"tokenizer {name!r} is neither a local folder with tokenizer.json, nor cached in "
                f"{hub_cache()}, nor reachable ({shortened(error)}). Offline: a folder, "
                "text: minilm (pretrained, as a package), or text: small_bert (trained here)"
                f"{download_hint(name)}"
            ) from error
        if not set(self._tokenizer.get_vocab()) - set(self._tokenizer.all_special_tokens):
            raise UserError(
                f"{name} has no tokenizer, or one without words: put its tokenizer.json there, "
                "with save_pretrained of the tokenizer that the model was trained with"
            )
        padding = self._tokenizer.pad_token_id
        self.offset = self._offset(padding) if offset is None else offset
        if not self.offset and padding != PADDING:
            raise UserError(
                f"tokenizer {name!r} pads with {padding}, and its model with {PADDING}: "
                "give the tokenizer that the model was trained with"
            )
        largest = max(self._tokenizer.get_vocab().values(), default=-1)
        super().__init__(max(len(self._tokenizer), largest + 1) + self.offset, length)

    def _offset(self, padding: int | None) -> int:
        """That of the model in the same place; where there is none, of the tokenizer alone."""
        try:
            config = pretrained_config(model_path(self.name))
        except (OSError, ValueError):
            return int(padding != PADDING)
        return id_offset(tower_config(config, "text"))

    @cached_property
    def space(self) -> EncodedSpace:
        """int32 [length], ids below ``size``."""
        words = sorted(self._tokenizer.get_vocab().items())
        offset = {"offset": self.offset} if self.offset else {}
        mark = fingerprint(
            kind=type(self._tokenizer).__name__, words=words, length=self.length, **offset
        )
        return EncodedSpace(0, self.size - 1, (self.length,), np.int32, mark)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a sequence of ids, without padding and marks."""
        own = [int(i) - self.offset for i in ids if not self.offset or i != PADDING]
        return str(self._tokenizer.decode(own, skip_special_tokens=True))

    def _encode(self, sentence: str) -> NDArray[np.int32]:
        ids = self._tokenizer(sentence)["input_ids"]
        self.counts.note(sentence, len(ids), self.length)
        if len(ids) > self.length:
            ids = self._tokenizer(sentence, truncation=True, max_length=self.length)["input_ids"]
        self.counts.unknown.update([UNKNOWN_PIECE] * ids.count(self._tokenizer.unk_token_id))
        encoded = np.full(self.length, PADDING, np.int32)
        encoded[: len(ids)] = np.array(ids[: self.length], np.int32) + self.offset
        encoded.setflags(write=False)
        return encoded

    def save(self, folder: Path) -> None:
        """Keep the tokenizer's own files beside the name and length."""
        self._tokenizer.save_pretrained(folder / "tokenizer")
        about = {"kind": "pretrained", "length": self.length, "path": "tokenizer"}
        write_atomically(folder / FILE, json.dumps({**about, "offset": self.offset}) + "\n")


class HashingTokenizer:
    """A hashing tokenizer (Weinberger et al., 2009): a word's id is its hash, so that no vocabulary
    is needed; for text models of random weights.

    Args:
        size: ids are below this.
        length: ids in an encoded sentence.
    """

    def __init__(self, size: int = 30_522, length: int = 64) -> None:
        self.size, self.length = size, length
        self.counts = Counts()

    @cached_property
    def space(self) -> EncodedSpace:
        """int32 [length], ids below ``size``."""
        mark = fingerprint(kind="hashing", size=self.size, length=self.length)
        return EncodedSpace(0, self.size - 1, (self.length,), np.int32, mark)

    def encode(self, sentence: str) -> NDArray[np.int32]:
        """The ids of a sentence, int32 [length]: a start mark, then one a word."""
        words = split_words(sentence)
        self.counts.note(sentence, 1 + len(words), self.length)
        ids = [START, *(self._id(word) for word in words)]
        encoded = np.full(self.length, PADDING, np.int32)
        encoded[: len(ids)] = ids[: self.length]
        return encoded

    def _id(self, word: str) -> int:
        first = len(_SPECIALS)
        return first + int.from_bytes(sha256(word.encode()).digest()[:8]) % (self.size - first)

    def save(self, folder: Path) -> None:
        """Write its size and length as JSON."""
        text = json.dumps({"kind": "hashing", "size": self.size, "length": self.length})
        write_atomically(folder / FILE, text + "\n")


class _AnyTokenizer(OpenSchema):
    """What every ``tokenizer.json`` holds."""

    kind: Literal["words", "hashing", "pretrained"]


class _Words(Schema):
    """That of a :class:`WordTokenizer`."""

    kind: str
    length: Length
    words: tuple[str, ...]


class _Hashing(Schema):
    """That of a :class:`HashingTokenizer`."""

    kind: str
    length: Length
    size: Annotated[int, Meta(gt=len(_SPECIALS), le=2**31 - 1)]


class _Pretrained(Schema):
    """That of a :class:`PretrainedTokenizer`, beside the tokenizer's own files."""

    kind: str
    length: Length
    path: Annotated[str, Meta(pattern=r"^\w[\w.-]*$")]
    offset: Annotated[int, Meta(ge=0, le=1)] = 0


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer that was saved in a folder.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    path = folder / FILE
    kind = read_json(path, _AnyTokenizer).kind
    if kind == "words":
        words = read_json(path, _Words)
        return WordTokenizer(words.words, words.length)
    if kind == "hashing":
        hashing = read_json(path, _Hashing)
        return HashingTokenizer(hashing.size, hashing.length)
    saved = read_json(path, _Pretrained)
    return PretrainedTokenizer(str(folder / saved.path), saved.length, saved.offset)
