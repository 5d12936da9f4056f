"""Which prompts are the same question: ids, and the split that a question falls into."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

from scope_edge.errors import UsageError

__all__ = ["checked_shares", "digest", "normalised", "split_of", "stem"]


def normalised(prompt: str) -> str:
    """The prompt without what no reader sees: composed as NFC, line breaks all alike, no white space around it.

    Prompts that agree in this are one query.
    """
    return unicodedata.normalize("NFC", prompt.replace("\r\n", "\n")).strip()


def stem(prompt: str) -> str:
    """The prompt in lower case, all white space as single spaces; digits are kept, for they make the question.

    Prompts that agree in this never stand in two splits.
    """
    return " ".join(normalised(prompt).lower().split())


def digest(text: str) -> bytes:
    """16 bytes that stand for the text on every machine.

    Raises
    ------
    UnicodeEncodeError
        It holds lone surrogates.
    """
    return blake2b(text.encode(), digest_size=16).digest()


def split_of(question: bytes, shares: Sequence[float]) -> str:
    """The split of a stem's digest: train, val or test, in these shares of 100."""
    place = int.from_bytes(question[:8]) / 2**64 * 100
    return "train" if place < shares[0] else "val" if place < shares[0] + shares[1] else "test"


def checked_shares(shares: Sequence[float]) -> tuple[float, float, float]:
    """Three shares that sum to 100.

    Raises
    ------
    UsageError
        They are others.
    """
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 100) > 1e-6 or shares[0] == 0:
        raise UsageError(
            "Bad shares of the splits",
            expected="three numbers for train, val and test that sum to 100, with some train",
            got=", ".join(f"{share:g}" for share in shares),
        )
    return shares[0], shares[1], shares[2]
