"""The student's tokenizer: a small WordPiece vocabulary over lower-cased text.

Case is folded by the caller (`str.lower` is many times faster than a normaliser that must keep
track of offsets), and words and runs of punctuation are split by one regular expression.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

__all__ = ["PAD_ID", "train_tokenizer"]

PAD_ID = 0


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train a WordPiece tokenizer on texts (lower-cased here) without padding or truncation."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=3,
        limit_alphabet=1000,
        special_tokens=["[PAD]", "[UNK]"],
        show_progress=False,
    )
    tokenizer.train_from_iterator((text.lower() for text in texts), trainer)
    return tokenizer
