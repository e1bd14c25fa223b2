"""What a tokenizer makes of text: how long tokens are, how many unknown, what comes back."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from pipeline.encoding.token_places import Encoder, token_sizes
from pipeline.text import words
from pipeline.text.codepoints import MARK, UNSPACED, tables

_BATCH = 64
_SPACE = "\u2581"
"""How some tokenizers spell a space."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A kept document, or the beginning of one."""

    source: str
    language: str
    text: str


@dataclass(kw_only=True, slots=True)
class Check:
    """What became of the samples of one source and language."""

    source: str
    language: str
    num_documents: int = 0
    num_bytes: int = 0
    num_chars: int = 0
    num_words: int = 0
    """By the rule of words.py."""
    num_letters: int = 0
    """Of these, letters of scripts written without spaces, whose words that rule does not know."""
    num_tokens: int = 0
    num_unknown: int = 0
    """Tokens [UNK]."""
    num_marks: int = 0
    """Combining marks that the normalizer takes out, such as accents; in Thai they are vowels."""
    num_changed: int = 0
    """Documents whose tokens do not spell them; see `comes_back`."""


def check(
    samples: Iterable[Sample], tokenizer: Tokenizer, encoder: Encoder, *, unknown: int
) -> list[dict[str, Any]]:
    """Encode samples and count what the tokenizer makes of them.

    Args:
        samples: of any sources and languages.
        tokenizer: what the encoder encodes with.
        encoder: see `encoders.make`.
        unknown: the id of the token for unknown text.

    Returns:
        `Check` as JSON of each source and language, in their order.
    """
    found: dict[tuple[str, str], Check] = {}
    is_exact = token_sizes(json.loads(tokenizer.to_str())) is not None
    kinds = (tables().kinds & UNSPACED != 0).tolist()
    left = iter(samples)
    while batch := list(islice(left, _BATCH)):
        tokens = encoder.encode(pa.array([sample.text for sample in batch], pa.string()))
        bounds = tokens.ends.tolist()
        for sample, begin, end in zip(batch, bounds[:-1], bounds[1:], strict=True):
            ids = tokens.ids[begin:end].tolist()
            key = (sample.source, sample.language)
            counts = found.setdefault(key, Check(source=key[0], language=key[1]))
            counts.num_documents += 1
            counts.num_bytes += len(sample.text.encode())
            counts.num_chars += len(sample.text)
            own = words.words(sample.text)
            counts.num_words += len(own)
            counts.num_marks += _num_marks(sample.text, tokenizer)
            counts.num_letters += sum(kinds[ord(word[0])] for word in own)
            counts.num_tokens += len(ids)
            num_unknown = ids.count(unknown)
            counts.num_unknown += num_unknown
            if not num_unknown:
                counts.num_changed += not comes_back(sample.text, ids, tokenizer, is_exact=is_exact)
    return [asdict(found[key]) for key in sorted(found)]


def _num_marks(text: str, tokenizer: Tokenizer) -> int:
    if tokenizer.normalizer is None:
        return 0
    marks = tables().kinds & MARK
    before, after = (
        int(np.count_nonzero(marks[np.frombuffer(one.encode("utf-32-le"), dtype=np.uint32)]))
        for one in (text, tokenizer.normalizer.normalize_str(text))
    )
    return max(0, before - after)


def comes_back(text: str, ids: list[int], tokenizer: Tokenizer, *, is_exact: bool) -> bool:
    """Tell whether token ids spell the text, as the tokenizer's normalizer leaves it.

    Args:
        text: what was encoded.
        ids: its tokens, none of them unknown.
        tokenizer: whose they are.
        is_exact: tokens are bytes, so everything comes back; else white space does not count.
    """
    normalizer = tokenizer.normalizer
    normalized = normalizer.normalize_str(text) if normalizer else text
    decoded = tokenizer.decode(ids, skip_special_tokens=False)
    if is_exact:
        # Some put a space before a text that has none.
        return decoded in (normalized, f" {normalized}")
    names = [tokenizer.id_to_token(number) or "" for number in ids]
    if isinstance(tokenizer.model, WordPiece):
        names = [name.removeprefix(tokenizer.model.continuing_subword_prefix) for name in names]
    # Without a decoder only the names tell; and only a decoder knows names of bytes.
    return _solid(normalized) in (_solid("".join(names)), _solid(decoded))


def _solid(text: str) -> str:
    return "".join(text.replace(_SPACE, " ").split())
