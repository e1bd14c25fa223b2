"""What masking knows of a tokenizer: which ids are ordinary text, and where words begin.

Words follow from the tokens alone. A token begins a word when its first character is a space, a
sign or a character of a script that is written without spaces, or when the token before it does
not end in a letter or digit. So `Ġun` `believ` `able` is one word, `(` and `foo` are two, and in
Chinese, Japanese, Thai and the like each token is one.
"""

import functools
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.shards import ShardSet
from train import kernels
from train.mask import Vocabulary

_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Thai, Lao, Tibetan, Burmese, Khmer; kana, bopomofo and Han."""


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
        words=word_flags(json.loads(content), size=shards.vocabulary) if words else None,
    )


def spelled(table: Mapping[str, Any]) -> dict[int, str]:
    """Return the tokens of a parsed tokenizer.json by id, as they are spelled there."""
    known = table["model"]["vocab"]
    if isinstance(known, dict):
        tokens = {number: token for token, number in known.items()}
    else:  # Unigram: a list of (token, score)
        tokens = {number: entry[0] for number, entry in enumerate(known)}
    return tokens | {entry["id"]: entry["content"] for entry in table.get("added_tokens", ())}


def word_flags(table: Mapping[str, Any], *, size: int) -> NDArray[np.uint8]:
    """Return uint8 [size]: `kernels.WORD_START` and `kernels.WORD_OPEN` of each id.

    Args:
        table: a parsed tokenizer.json.
        size: the number of token ids.
    """
    is_wordpiece = table["model"].get("type") == "WordPiece"
    prefix = table["model"].get("continuing_subword_prefix") or "##"
    is_bytes = "ByteLevel" in json.dumps([table.get("decoder"), table.get("pre_tokenizer")])
    flags = np.zeros(size, dtype=np.uint8)
    for number, token in spelled(table).items():
        if number >= size:
            continue
        if is_wordpiece:
            starts, opens = not token.startswith(prefix), True
        else:
            starts, opens = _plain_edges(token, is_bytes=is_bytes) or _edges(
                _bytes_of(token, is_bytes=is_bytes)
            )
        flags[number] = starts * kernels.WORD_START + opens * kernels.WORD_OPEN
    return flags


def _plain_edges(token: str, *, is_bytes: bool) -> tuple[bool, bool] | None:
    """Return the `_edges` of ASCII with or without a space before it; None for other tokens.

    Most tokens of a vocabulary are such, and a run should not wait for them.
    """
    text = token.replace("\u0120" if is_bytes else "\u2581", " ", 1)
    if not text.isascii() or (not is_bytes and text.startswith("<0x")):
        return None
    last = text[-1:]
    return bool(text) and not text[0].isalnum(), last == " " or last.isalnum()


def _edges(text: bytes) -> tuple[bool, bool]:
    """Return whether a token begins a word by itself, and whether the next may go on with it."""
    # Bytes of a character that is cut at the token's beginning or end.
    head = len(text) - len(text.lstrip(bytes(range(0x80, 0xC0))))
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
    return unicodedata.category(character)[0] in "LMN" and not _WITHOUT_SPACES.match(character)


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
