"""What masking knows of a tokenizer: which ids are ordinary text, and where words begin.

Words follow from the tokens alone. A token begins a word when its first character is a space, a
sign or a character of a script that is written without spaces, or when the token before it does
not end in a letter or digit. So `Ġun` `believ` `able` is one word, `(` and `foo` are two, and in
Chinese, Japanese, Thai and the like each token is one, unless it begins with a combining mark.
(Rows of a source with a segmenter say themselves where words begin.)

An apostrophe is a sign like any other, as it is to BERT, whose whole words are cut at every sign:
`didn't` is `didn`, `'` and `t` there, and `didn` and `'t` where the tokenizer keeps these together.
Nowhere is it one word: what is hidden of a contraction can be read off its other half.
"""

import functools
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from corpus.shards import ShardSet
from train import edges, kernels
from train.mask import Vocabulary

_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Thai, Lao, Tibetan, Burmese, Khmer; kana, bopomofo and Han."""
_JOINERS = "\u200c\u200d"
_AM = "\u0e33\u0eb3"
"""Vowel signs of Thai and Lao that Unicode counts among the letters."""

_READ = {"added_tokens", "pre_tokenizer", "decoder", "model"}
"""Parts of a tokenizer.json that words follow from."""

_INSIDE = bytes(range(0x80, 0xC0))
"""Bytes that stand inside a character of UTF-8 and never begin one."""


def of_shards(shards: ShardSet, *, words: bool) -> Vocabulary:
    """Read the tokenizer of a shard set.

    Args:
        shards: the set.
        words: whether whole words are masked.

    Raises:
        ValueError: its tokenizer.json is missing, or not the one that the rows were encoded with.
    """
    content = shards.tokenizer_json()
    return Vocabulary(
        size=shards.vocabulary,
        mask_id=shards.mask_id,
        special_ids=shards.special_ids,
        # Only words need the tokens themselves, which take longer to read than the first batch.
        words=word_flags(parsed(content), size=shards.vocabulary) if words else None,
    )


def parsed(content: bytes) -> Mapping[str, Any]:
    """Parse a tokenizer.json, without its merges where all that words follow from stands before.

    So `tokenizers` writes it. They are most of the file, and a run would wait for them without
    looking at one.
    """
    if found := re.search(rb'"merges"\s*:\s*\[', content):
        head = content[: found.start()].rstrip().removesuffix(b",")
        try:
            table = orjson.loads(head + b"}}")
        except orjson.JSONDecodeError:
            pass  # more stands behind them, or these are not the merges
        else:
            if table.keys() >= _READ and table["model"].keys() >= {"type", "vocab"}:
                return table
    return orjson.loads(content)


def spelled(table: Mapping[str, Any]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the tokens of a parsed tokenizer.json, as they are spelled there, and their ids.

    An id may come twice; the later one holds.
    """
    known = table["model"]["vocab"]
    if isinstance(known, dict):
        tokens, numbers = list(known), list(known.values())
    else:  # Unigram: a list of (token, score)
        tokens, numbers = [entry[0] for entry in known], list(range(len(known)))
    added = table.get("added_tokens", ())
    tokens += [entry["content"] for entry in added]
    return tokens, np.array([*numbers, *(entry["id"] for entry in added)], dtype=np.int64)


def word_flags(table: Mapping[str, Any], *, size: int) -> NDArray[np.uint8]:
    """Return uint8 [size]: `kernels.WORD_START`, `WORD_OPEN` and `WORD_INSIDE` of each id.

    Args:
        table: a parsed tokenizer.json.
        size: the number of token ids.
    """
    is_wordpiece = table["model"].get("type") == "WordPiece"
    prefix = table["model"].get("continuing_subword_prefix") or "##"
    is_bytes = "ByteLevel" in json.dumps([table.get("decoder"), table.get("pre_tokenizer")])
    tokens, numbers = spelled(table)
    if is_wordpiece:
        sides = zip(*(_piece_flags(token, prefix=prefix) for token in tokens), strict=True)
        first, last = (np.array(side, dtype=np.uint8) for side in sides)
    else:
        first, last = edges.of_tokens(
            tokens,
            byte_of=_byte_of() if is_bytes else None,
            rule=lambda token: _flags(_bytes_of(token, is_bytes=is_bytes)),
        )
    flags = np.zeros(max(size, int(numbers.max(initial=0)) + 1), dtype=np.uint8)
    flags[numbers] = first | last
    return flags[:size]


def _piece_flags(piece: str, *, prefix: str) -> edges.Edges:
    """Return `_flags` of a piece of WordPiece, which says itself whether it begins a word."""
    if not piece.isascii() and _is_mark(piece[:1]):
        return kernels.WORD_INSIDE, kernels.WORD_OPEN
    return (not piece.startswith(prefix)) * kernels.WORD_START, kernels.WORD_OPEN


def _flags(text: bytes) -> edges.Edges:
    """Return what the first character of a token says of it, and what the last one says."""
    starts, opens = _edges(text)
    first = starts * kernels.WORD_START
    # A mark is of the letter before it, also where that ends a word by itself; a byte of one alone
    # does not tell.
    if _is_mark(text.decode("utf-8", "replace")[:1]):
        first = kernels.WORD_INSIDE
    return first, opens * kernels.WORD_OPEN


def _edges(text: bytes) -> tuple[bool, bool]:
    """Return whether a token begins a word by itself, and whether the next may go on with it."""
    # Bytes of a character that is cut at the token's beginning or end.
    head = len(text) - len(text.lstrip(_INSIDE))
    decoded = text[head:].decode("utf-8", "replace")
    is_cut_before = head > 0
    is_cut_after = decoded.endswith("\ufffd") or (not decoded and is_cut_before)
    characters = decoded.rstrip("\ufffd")
    first = characters[:1]
    starts = not is_cut_before and bool(first) and not _is_inside(first)
    if not is_cut_before and not first:
        # A lead byte alone: from E3 on it is mostly of Han, kana or Hangul and, from F0 on, signs.
        starts = text[:1] >= b"\xe3"
    # A space that is a token of its own belongs to the word behind it.
    opens = is_cut_after or characters.endswith(" ") or _is_inside(characters[-1:])
    return starts, opens


def _is_inside(character: str) -> bool:
    """Tell whether a character, if any, is a letter, mark or digit of a script with spaces."""
    if not character:
        return False
    if character in _JOINERS:
        return True
    return unicodedata.category(character)[0] in "LMN" and not _WITHOUT_SPACES.match(character)


def _is_mark(character: str) -> bool:
    """Tell whether a character, if any, is part of the letter before it (annex 29, GB9 and 9a)."""
    if not character:
        return False
    return unicodedata.category(character)[0] == "M" or character in _JOINERS + _AM


def _bytes_of(token: str, *, is_bytes: bool) -> bytes:
    if is_bytes:
        table = _byte_of()
        return b"".join(bytes([table[c]]) if c in table else c.encode("utf-8") for c in token)
    if found := re.fullmatch(r"<0x([0-9A-F]{2})>", token):
        return bytes.fromhex(found[1])
    return token.replace("\u2581", " ").encode("utf-8", "replace")


@functools.cache
def _byte_of() -> dict[str, int]:
    """Return the alphabet of byte-level tokenizers: visible Latin-1 stands for itself."""
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {
        chr(256 + number): byte for number, byte in enumerate(hidden)
    }
