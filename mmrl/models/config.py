"""The configuration of a model: one dataclass, every field an option and a YAML key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class ModelConfig:
    """What a model is made of.

    Attributes:
        image: image encoder: small_resnet, nature_cnn, luma_chroma, or a ResNet of torchvision such
            as resnet18.
        image_weights: pretrained weights of torchvision's ResNets, such as IMAGENET1K_V1.
        image_args: its arguments: width, and small_resnet's blocks and patch; for torchvision's
            stage (how many of the four are kept) and pooled (one token instead of a grid).
        image_size: height and width that images are resized to; as they are, if empty.
        image_trained: how many of its last stages are trained; all, if empty; 0 freezes it.
        text: text encoder: small_bert, bag_of_words, word_vectors, word_gru, word_cnn, minilm
            (pretrained, offline), or a model of transformers by hub name or folder.
        text_args: arguments of ours: width, small_bert's layers and heads, vectors (a GloVe or
            word2vec text file) for word_vectors, word_gru and word_cnn.
        text_trained: how many of its last stages are trained; all, if empty; 0 freezes it.
        speech: speech encoder, where the agent hears: log_mel_cnn, or a Wav2Vec2 or Whisper model
            of transformers by hub name or folder.
        speech_args: arguments of ours: width.
        speech_trained: how many of its last stages are trained; all, if empty; 0 freezes it.
        goal_image: run folder of 'mmrl fit painter': the policy is shown a painting of what its
            instruction asks for, seen by an image encoder of its own; none, if empty.
        fusion: bilinear, concat, cross_attention, film, gated, weighted_sum, or a dotted path to
            your own class.
        features: width of the fused features.
        dropout: share of the fused features that is left out while learning.
        instruction_length: the longest instruction, in tokens.
        precision: fp32, or bf16 for matrix products in bfloat16.
        channels_last: keep images channel by channel of a pixel, which some processors like.
        compile: compile the model with torch.compile, which takes a minute and a C++ compiler.
        cache_mb: memory for the features of frozen encoders, each image and instruction
            encoded once; 0 computes them anew.
    """

    image: str = "small_resnet"
    image_weights: str | None = None
    image_args: dict[str, Any] = field(default_factory=dict)
    image_size: tuple[int, int] | None = None
    image_trained: int | None = None
    text: str = "small_bert"
    text_args: dict[str, Any] = field(default_factory=dict)
    text_trained: int | None = None
    speech: str = "log_mel_cnn"
    speech_args: dict[str, Any] = field(default_factory=dict)
    speech_trained: int | None = None
    goal_image: str | None = None
    fusion: str = "film"
    features: int = 128
    dropout: float = 0.0
    instruction_length: int = 64
    precision: str = "fp32"
    channels_last: bool = False
    compile: bool = False
    cache_mb: int = 512
