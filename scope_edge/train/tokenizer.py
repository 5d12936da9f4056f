"""The student's tokenizer: a small WordPiece vocabulary over lower-cased text.

Case is folded by the caller (`str.lower` is many times faster than a normaliser that must keep
track of offsets), and words and runs of punctuation are split by one regular expression.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

__all__ = ["PAD_ID", "train_tokenizer"]

PAD_ID = 0
ALPHABET_SIZE = 1000


def train_tokenizer(texts: Sequence[str], vocab_size: int) -> Tokenizer:
    """Train a WordPiece tokenizer on texts (lower-cased here) without padding or truncation.

    The same texts give the same vocabulary.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text.lower())
    letters = [letter for letter in counts if not letter.isspace()]
    alphabet = sorted(sorted(letters, key=lambda letter: (-counts[letter], letter))[:ALPHABET_SIZE])
    special = ["[PAD]", "[UNK]"]
    # The trainer breaks ties by the numbers of the pieces, and numbers the letters inside words in
    # the order of a hash table, another one in every run: naming them as special fixes the order.
    named = [f"##{letter}" for letter in alphabet]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=3,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        special_tokens=special + named,
        show_progress=False,
    )
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = pre_tokenizers.Whitespace()
    learner.train_from_iterator((text.lower() for text in texts), trainer)
    # Only its vocabulary is kept: to the learner itself a "##a" in a text would be one special token.
    tokenizer = Tokenizer(models.WordPiece(vocab=learner.get_vocab(), unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(special)
    return tokenizer
