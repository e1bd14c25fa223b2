"""What a tokenizer makes of text: tokens per word, unknown ones, whether the text comes back."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
from tokenizers import Tokenizer

from pipeline.encoding.encoders import Encoder
from pipeline.encoding.token_places import token_sizes
from pipeline.text import words

_BATCH = 64


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
    num_words: int = 0
    """By the rule of words.py."""
    num_tokens: int = 0
    num_unknown: int = 0
    """Tokens [UNK]."""
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
            counts.num_words += len(words.words(sample.text))
            counts.num_tokens += len(ids)
            num_unknown = ids.count(unknown)
            counts.num_unknown += num_unknown
            if not num_unknown:
                counts.num_changed += not comes_back(sample.text, ids, tokenizer, is_exact=is_exact)
    return [asdict(found[key]) for key in sorted(found)]


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
    if is_exact:
        return tokenizer.decode(ids, skip_special_tokens=False) == normalized
    spelled = [(tokenizer.id_to_token(number) or "").removeprefix("##") for number in ids]
    return _solid("".join(spelled).replace("\u2581", " ")) == _solid(normalized)


def _solid(text: str) -> str:
    return "".join(text.split())
