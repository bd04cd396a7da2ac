"""Writes text encoders of transformers into ``encoders`` that cannot be used as they are."""

import os
import shutil

from tokenizers import Tokenizer, models, pre_tokenizers, processors

from mmrl.compat import import_transformers

T = import_transformers()
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "open", "shut", "the", "door"]
SMALL = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16
}  # fmt: skip


def tokenizer(words):
    """Words by their numbers."""
    model = models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="[UNK]")
    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(word, words.index(word)) for word in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    return T.PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]")


def save(name, model, words=WORDS):
    """Write a model and its tokenizer."""
    folder = f"encoders/{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    tokenizer(words).save_pretrained(folder)
    return folder


def bert(**more):
    """A tiny BERT."""
    return T.BertModel(T.BertConfig(vocab_size=len(WORDS), **SMALL, **more))


folder = save("no_tokenizer", bert())
for file in os.listdir(folder):
    if "token" in file:
        os.remove(f"{folder}/{file}")
save("half", bert().half())
save("bfloat", bert().bfloat16())
save("short", bert(max_position_embeddings=4))
t5 = T.T5Config(vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
save("t5", T.T5EncoderModel(t5))
other = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", *WORDS[4:]]
roberta = T.RobertaConfig(vocab_size=len(other), pad_token_id=1, **SMALL)
save("roberta", T.RobertaModel(roberta), other)
with open(save("cut", bert()) + "/model.safetensors", "r+b") as weights:
    weights.truncate(300)
