"""A small RoBERTa for tests: random weights, and a byte-pair tokenizer that is trained on a few sentences."""

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import RobertaProcessing
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
SENTENCES = ("a dog barks loudly", "rain falls on a tin roof", "someone is typing on a keyboard", "a church bell rings")


def build_tiny_roberta(folder: Path) -> Path:
    """Writes the Hugging Face folder of an encoder with 32 channels and returns the folder."""
    tokenizer = Tokenizer(BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    alphabet = ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        SENTENCES,
        BpeTrainer(vocab_size=400, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    special_tokens = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special_tokens).save_pretrained(folder)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=66,
        initializer_range=0.2,
    )
    RobertaModel(config).save_pretrained(folder)
    return folder
