"""Text of users is in UTF-8, with a byte order mark or without; what errors say of other text."""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

from scope_edge.errors import OutcomesError

__all__ = ["not_utf8", "refuse_utf16"]

_UTF16 = {
    "expected": "text in UTF-8",
    "got": "UTF-16",
    "remedy": "Save it as UTF-8: in Windows PowerShell by `Out-File -Encoding utf8` in place of `>`, in Excel as "
    "'CSV UTF-8'.",
}


def not_utf8(error: UnicodeDecodeError) -> dict[str, str]:
    """What the error of a package says of bytes that cannot be decoded: expected, got and the remedy."""
    if _is_utf16(error.object):
        return _UTF16
    return {
        "expected": "text in UTF-8",
        "got": f"byte 0x{error.object[error.start]:02x}, which is not UTF-8",
        "remedy": "`iconv -f CP1252 -t UTF-8` makes UTF-8 of text in the code page of Western Europe.",
    }


def refuse_utf16(begin: bytes, path: Path) -> None:
    """Refuse a file that begins so, where reading would not: JSON in UTF-16 can be read up to its first line break.

    Raises
    ------
    OutcomesError
        It has the mark of UTF-16.
    """
    if _is_utf16(begin):
        raise OutcomesError(f"Cannot read {path}", **_UTF16)


def _is_utf16(begin: bytes) -> bool:
    return begin.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
