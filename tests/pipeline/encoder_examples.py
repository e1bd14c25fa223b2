"""Texts and small tokenizers that tests of encoders share."""

import random

from hypothesis import strategies as st
from tokenizers import (
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from pipeline.encoding import (
    vocabularies,
)
from pipeline.encoding.token_places import Tokens

WORDS = ["river", "stone", "market", "bridge", "winter", "harvest", "engine", "letter", "island"]
FORMS = (
    "The {} crossed the {} of the {} in 1893.", "They don't say {}, {} or '{}'!",
    "(A {})\n\nIs it the {}? No: the {} of 3.14 m.",
)  # fmt: skip


def texts(num: int) -> list[str]:
    rng = random.Random(1)
    return [
        " ".join(rng.choice(FORMS).format(*rng.sample(WORDS, 3)) for _ in range(20))
        for _ in range(num)
    ]


def small_bpe() -> Tokenizer:
    return vocabularies.train_bpe(lambda: iter(texts(20)), vocabulary=448)


def small_wordpiece() -> Tokenizer:
    # With enough alphabet that rare characters are known and unknown.
    more = [*texts(20), "é ü ñ ▁ 中 文 가 ก ् 👍 · ½ don't 3.14 (x) [y] a_b"]
    return vocabularies.train_wordpiece(lambda: iter(more), vocabulary=448, lowercase=True)


def spaced(bpe: Tokenizer) -> Tokenizer:
    """Return a tokenizer that puts a space before a text, as RoBERTa's may."""
    own = Tokenizer.from_str(bpe.to_str())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    own.encode_special_tokens = True
    return own


def changed(own: Tokenizer, **parts: object) -> Tokenizer:
    again = Tokenizer.from_str(own.to_str())
    for name, value in parts.items():
        setattr(again, name, value)
    return again


def assert_equal(found: Tokens, wanted: Tokens) -> None:
    assert found.ids.tolist() == wanted.ids.tolist()
    assert found.ends.tolist() == wanted.ends.tolist()
    assert found.begins.tolist() == wanted.begins.tolist()


PIECES = st.sampled_from(
    [*" \n\t\r'.,!-_=", "  ", "'s", "'LL", "the", "River", "12", "é", "e\u0301", "\u0301", "中",
     "文", "가", "\u1112\u1161", "ก", "\u0e34", "\u00a0", "\u2003", "\u3000", "\u200b", "\u180e",
     "\x1c", "\x85", "\x00", "\x7f", "\ufffd", "½", "Ⅷ", "👍", "\U0010ffff", "[MASK]", "ŉ", "İ",
     "▁", "##"]
)  # fmt: skip
TEXTS = st.lists(
    st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=40)), max_size=4
)


MORE = "é ü 中 文 가 ก 👍 · ½ don't 3.14 (x) [y] a_b ﬁ Å ｶﾞ ﷺ"


def unigram(**parts: object) -> Tokenizer:
    """Return a tokenizer like those of SentencePiece: XLM-R, T5, ALBERT, mDeBERTa."""
    own = Tokenizer(models.Unigram())
    own.normalizer = normalizers.NFKC()  # pyright: ignore[reportAttributeAccessIssue]
    own.pre_tokenizer = pre_tokenizers.Metaspace()  # pyright: ignore[reportAttributeAccessIssue]
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=250, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    own.train_from_iterator([*texts(9), MORE], trainer)
    return changed(own, **parts)
