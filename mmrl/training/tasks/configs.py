"""The options of all tasks: dataclasses, without the models and data that they are of.

The options of ``mmrl fit TASK`` are made of them, so nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mmrl.training.config import FitConfig


@dataclass
class CaptionerConfig(FitConfig):
    """Data, size and training of a captioner.

    Attributes:
        data: dataset of 'mmrl collect', or another Minari dataset.
        success: what the success of an episode is, as env_adapter.success has it; what is recorded,
            if not given.
        about: achieved, what the last step achieved; or scene, a description of the image.
        frames: images of one example, the newest last.
        without: a regular expression of captions to leave out, such as "on your".
        held_out_pairs: leave out whatever mentions a pair of words that the environment's language
            holds out, in what was achieved or in the descriptions of the images.
        test_share: share of the episodes, the last ones, held out for evaluation.
        max_examples: kept in memory, a random choice from all episodes.
        image: the encoder of an image.
        image_args: its arguments.
        width: of the decoder.
        layers: of the decoder.
        heads: of its attention.
        dropout: of the decoder.
        word_dropout: share of the previous words that are masked in training.
        named: words, such as those for colours, that the decoder generates from colour channels
            alone, so that they generalise to things that never had this colour; needs an encoder
            with such channels, as luma_chroma.
    """

    data: str = ""
    success: str | dict[str, Any] | None = None
    about: str = "achieved"
    frames: int = 2
    without: str = ""
    held_out_pairs: bool = False
    test_share: float = 0.05
    max_examples: int = 30_000
    image: str = "small_resnet"
    image_args: dict[str, Any] = field(default_factory=dict)
    width: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.0
    word_dropout: float = 0.0
    named: list[str] = field(default_factory=list)


@dataclass
class PainterConfig(FitConfig):
    """Data, size and training of a painter.

    Attributes:
        data: dataset that 'mmrl collect' made in an environment with descriptions, best of all that
            is in view; or several, [one, another].
        tokenizer: run folder that 'mmrl fit tokenizer' made.
        held_out_pairs: leave out images whose description mentions a pair of words that the
            environment's language holds out.
        test_share: share of the episodes, a random choice, held out for evaluation.
        unasked: share of the examples with an empty prompt, for classifier-free guidance.
        places: share of the things that are prompted for with their place, where the environment's
            language can do without.
        length: the longest prompt, in words and marks.
        text: text encoder, as for 'mmrl train'.
        text_args: its arguments.
        named: words for colours, to be anonymised, so that things are painted in colours that they
            never had; needs a tokenizer with colours apart. Which colour each word is, is found in
            the data.
        width: of the decoder.
        layers: of the decoder.
        heads: of its attention.
        dropout: of the decoder.
    """

    data: str | list[str] = ""
    tokenizer: str = ""
    held_out_pairs: bool = False
    test_share: float = 0.05
    unasked: float = 0.15
    places: float = 0.0
    length: int = 48
    text: str = "word_cnn"
    text_args: dict[str, Any] = field(default_factory=dict)
    named: list[str] = field(default_factory=list)
    width: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.0


@dataclass
class RetrievalConfig(FitConfig):
    """Data, size and training of a shared embedding.

    Attributes:
        data: dataset that 'mmrl collect' made in an environment with descriptions; or several,
            [one, another].
        held_out_pairs: leave out whatever mentions a pair of words that the environment's language
            holds out; how well those are found is measured apart.
        test_share: share of the episodes, a random choice, held out for evaluation.
        scenes: images of a test, at most, no two with the same description.
        partial: share of the queries that are some phrases of a description.
        near: share of each batch that are hard negatives of another: descriptions of one layout,
            such as other things at the same places.
        width: of the embeddings.
        hidden: width of the layers that make them of tokens.
        image: image encoder, as for 'mmrl train'.
        image_args: its arguments.
        image_size: height and width that images are resized to; as they are, if empty.
        text: text encoder, as for 'mmrl train'.
        text_args: its arguments.
        instruction_length: the longest query, in tokens.
    """

    data: str | list[str] = ""
    held_out_pairs: bool = False
    test_share: float = 0.1
    scenes: int = 1_000
    partial: float = 0.5
    near: float = 0.5
    width: int = 256
    hidden: int = 256
    image: str = "small_resnet"
    image_args: dict[str, Any] = field(default_factory=lambda: {"width": 64})
    image_size: tuple[int, int] | None = None
    text: str = "word_cnn"
    text_args: dict[str, Any] = field(default_factory=dict)
    instruction_length: int = 64


@dataclass
class SpeechConfig(FitConfig):
    """Data, augmentation and size of a speech recogniser.

    Attributes:
        env, env_args: the environment whose instructions are spoken.
        utterances: for training.
        voices: of eSpeak NG, for training and a test.
        unknown_voices: for a test alone.
        words_per_minute: slowest and fastest.
        pitch: lowest and highest, 0 to 99.
        noise: white noise is added with a random standard deviation between 0 and this, where full
            scale is 1 and speech has about 0.1.
        clean: share of the examples with 10 to 100,000 times less noise than that; a model trained
            on noisy speech alone fails on clean speech.
        pause: seconds of silence before and after an utterance, at most.
        seconds: longest utterance, pauses included.
        test_sentences: utterances of each test.
        mels: bands of the spectrum.
        width, heads: of both transformers.
        encoder_layers, decoder_layers: theirs.
        dropout: of both.
        length: longest sentence, in words, start mark and end included.
    """

    env: str = "mmrl/GoToLocal-v0"
    env_args: dict[str, Any] = field(default_factory=dict)
    utterances: int = 4_000
    voices: list[str] = field(
        default_factory=lambda: ["en-us", "en", "en-us+f3", "en+m4", "en-gb-scotland"]
    )
    unknown_voices: list[str] = field(default_factory=lambda: ["en-029", "en-us+f5", "en+m7"])
    words_per_minute: list[int] = field(default_factory=lambda: [140, 220])
    pitch: list[int] = field(default_factory=lambda: [30, 70])
    noise: float = 0.05
    clean: float = 0.25
    pause: float = 0.2
    seconds: float = 4.0
    test_sentences: int = 256
    mels: int = 40
    width: int = 128
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 2
    dropout: float = 0.1
    length: int = 64


@dataclass
class SpritesConfig(FitConfig):
    """Data, augmentation and size of a sprite painter.

    Attributes:
        data: sets of sprites, [one, another, …]: folders of PNG files, or .npz files, as the grid
            worlds take them.
        style: dimensions of a style, the latent.
        style_weight: of the KL divergence; more makes new styles safer, and more alike.
        shift: augmentation, pixels by which images are shifted at most.
        shade: augmentation, share by which they are lightened or darkened at most.
        hidden: width of the layers.
    """

    data: str | list[str] = ""
    style: int = 4
    style_weight: float = 0.02
    shift: int = 0
    shade: float = 0.1
    hidden: int = 256


@dataclass
class TokenizerConfig(FitConfig):
    """Data, size and training of an image tokenizer.

    Attributes:
        data: dataset that 'mmrl collect' made, or several, [one, another].
        patch: pixels a side.
        colors_apart: factor patches into shapes and colours, and have codes of the two; levels,
            hidden and layers are ignored then.
        levels: of the quantiser; their product is the number of codes.
        hidden: width of the layers of encoder and decoder.
        layers: of each.
        rarity: 1 samples different patches uniformly, 0 by their frequency, between these by a
            power of it.
        held_out_pairs: leave out images whose description mentions a pair of words that the
            environment's language holds out.
        test_share: share of the episodes, the last ones, held out for evaluation.
        max_frames: images that are used, at most, spread over all episodes.
        tolerance: a patch counts as exact if no pixel is off by more, of 255.
    """

    data: str | list[str] = ""
    patch: int = 8
    colors_apart: bool = False
    levels: list[int] = field(default_factory=lambda: [8, 5, 5, 5])
    hidden: int = 256
    layers: int = 2
    rarity: float = 0.75
    held_out_pairs: bool = False
    test_share: float = 0.1
    max_frames: int = 20_000
    tolerance: int = 16


@dataclass
class TranslationConfig(FitConfig):
    """Data, size and training of a translator.

    Attributes:
        env, env_args: an environment that takes ``language``; episodes of one seed have the same
            instruction in each.
        source, target: languages.
        episodes: whose instructions are the training data.
        held_out_share: share of all sentences that are held out for evaluation, by their hash.
        test_sentences: sentences of an evaluation.
        width, heads: of both transformers.
        encoder_layers, decoder_layers: theirs.
        dropout: of the decoder.
        length: longest sentence, in words or Chinese characters, start mark and end included.
    """

    env: str = "mmrl/BossLevel-v0"
    env_args: dict[str, Any] = field(default_factory=dict)
    source: str = "zh"
    target: str = "en"
    episodes: int = 20_000
    held_out_share: float = 0.1
    test_sentences: int = 256
    width: int = 128
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 2
    dropout: float = 0.0
    length: int = 112


@dataclass
class WorldModelConfig(FitConfig):
    """Data, size and training of a world model.

    Attributes:
        data: dataset that 'mmrl collect' made, or several, [one, another].
        tokenizer: run folder of 'mmrl fit tokenizer'.
        test_share: share of each dataset's episodes, the last ones, held out for evaluation.
        relabelled: steps per gradient step that are relabelled with another instruction, where the
            environment's verifier recorded what was achieved; 0 for none.
        window: steps of a training segment.
        frames: images that the transformer attends to.
        remember: find motions of the view, and remember what was last observed at each place; if
            False, the memory is the last image alone.
        margin: places around the view that are remembered, in tokens.
        text: text encoder, as for 'mmrl train'; if empty, the model reads no instruction.
        text_args: its arguments.
        instruction_length: the longest instruction, in tokens.
        width, heads: of the transformers.
        layers: of the transformer that predicts images.
        outcome_layers: of the head that predicts reward and end.
    """

    data: str | list[str] = ""
    tokenizer: str = ""
    test_share: float = 0.05
    relabelled: int = 64
    window: int = 8
    frames: int = 8
    remember: bool = True
    margin: int = 7
    text: str = "word_gru"
    text_args: dict[str, Any] = field(default_factory=dict)
    instruction_length: int = 64
    width: int = 64
    heads: int = 4
    layers: int = 2
    outcome_layers: int = 2
    batch_size: int = 16
    steps: int = 1_000
    learning_rate: float = 2e-3
