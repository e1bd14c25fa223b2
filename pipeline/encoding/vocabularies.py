"""Train a vocabulary: the same bytes from the same text, every time and with any number of threads.

The BPE trainer of `tokenizers` is a function of its text alone. Its WordPiece trainer is not: it
numbers the characters that go on a word ("##a") as it meets them in a hash table with a random
seed, and of two pairs as frequent it merges the one with the lower numbers first. Here they, and
the characters that may occur at all, are counted first and come with their numbers.
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from corpus.shards import SPECIAL_TOKENS

Texts = Callable[[], Iterator[str]]
"""Gives the texts to train on, as often as it is called."""

_GOES_ON = "##"
_ALPHABET = 1000
"""Characters that a WordPiece vocabulary has, as BERT's; see `alphabet_size`."""
_COVERED = 0.9998
"""Of the text's characters, for which a vocabulary takes more of them than that."""


def train_bpe(texts: Texts, *, vocabulary: int) -> Tokenizer:
    """Train a byte-level BPE; it may have fewer entries, if the text does not give them."""
    tokenizer, trainer = untrained_bpe(vocabulary=vocabulary)
    tokenizer.train_from_iterator(texts(), trainer)
    return tokenizer


def untrained_bpe(*, vocabulary: int) -> tuple[Tokenizer, trainers.BpeTrainer]:
    """Return a byte-level BPE without merges, and its trainer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.post_processor = _template()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        # [MASK] takes the space before it along: the piece it hides, such as " river", does too.
        special_tokens=_special_tokens(mask_takes_space=True),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    return tokenizer, trainer


def train_wordpiece(texts: Texts, *, vocabulary: int, lowercase: bool) -> Tokenizer:
    """Train a WordPiece vocabulary with BERT's rules; it may have fewer entries, see `train_bpe`.

    Args:
        texts: see `Texts`; they are read twice.
        vocabulary: entries, special tokens included.
        lowercase: fold case and strip accents, as BERT uncased.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.WordPiece(prefix=_GOES_ON, cleanup=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.post_processor = _template()  # pyright: ignore[reportAttributeAccessIssue]
    characters: Counter[str] = Counter()
    for text in texts():
        characters.update(tokenizer.normalizer.normalize_str(text))
    alphabet = _alphabet(characters, vocabulary=vocabulary)
    going_on = [_GOES_ON + char for char in alphabet if _goes_on(char)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        # The trainer takes what it is given as special first, in this order.
        special_tokens=[
            *_special_tokens(mask_takes_space=False),
            *(AddedToken(piece, special=True, normalized=False) for piece in going_on),
        ],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=_GOES_ON,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    table = json.loads(tokenizer.to_str())
    table["added_tokens"] = [
        token for token in table["added_tokens"] if token["content"] in SPECIAL_TOKENS
    ]
    return Tokenizer.from_str(json.dumps(table))


def alphabet_size(vocabulary: int) -> int:
    """Return how many characters a WordPiece vocabulary has, the most frequent ones.

    Each takes two entries, alone and as one that goes on a word, so a small vocabulary has fewer.
    """
    return max(vocabulary // 16, min(_ALPHABET, vocabulary // 4))


def _alphabet(characters: Mapping[str, int], *, vocabulary: int) -> list[str]:
    """Choose the characters of a WordPiece vocabulary, the most frequent ones.

    As many as `alphabet_size` says; and more until they are nearly all of the text, as Chinese or
    Korean needs, while they take less than half of the entries: one of Han takes one, others two.
    """
    found = {char: number for char, number in characters.items() if not char.isspace()}
    left = (1 - _COVERED) * sum(found.values())
    room = vocabulary // 2
    chosen = []
    rest = sum(found.values())
    for char in sorted(found, key=lambda char: (-found[char], char)):
        room -= 1 + _goes_on(char)
        if len(chosen) >= alphabet_size(vocabulary) and (rest <= left or room < 0):
            break
        chosen.append(char)
        rest -= found[char]
    return sorted(chosen)


def _goes_on(char: str) -> bool:
    """Tell whether BERT's rules leave a character inside a word: signs and Han stand alone."""
    is_sign = unicodedata.category(char)[0] == "P" or (char.isascii() and not char.isalnum())
    return not is_sign and not "\u4e00" <= char <= "\u9fff"


def _template() -> processors.TemplateProcessing:
    return processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )


def _special_tokens(*, mask_takes_space: bool) -> list[AddedToken]:
    """Return the special tokens, in the order of their ids."""
    return [
        AddedToken(
            name, special=True, normalized=False, lstrip=mask_takes_space and name == "[MASK]"
        )
        for name in SPECIAL_TOKENS
    ]
