"""Tokens that are looked for before a text is cut into words are found as `tokenizers` finds them.

The tokenizers here are made like those of ModernBERT, OLMo and GPT-NeoX (runs of spaces as tokens,
names of what was blacked out, NFC) or carry what `add_tokens` gives.
"""

import importlib.util
import json
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers

from pipeline import tokenizer
from pipeline.encoding import added_tokens, encoders, proof, vocabularies
from pipeline.encoding.token_places import UnfitError

HAS_GIGATOKEN = importlib.util.find_spec("gigatoken") is not None
FAST = ["words", *(["gigatoken"] if HAS_GIGATOKEN else [])]
TEXTS = [
    "def f(x):\n    return {\n        'a':  x,\n    }\n\n\n",
    "The river  crosses\t\tthe stone   bridge. ",
    "|||IP_ADDRESS||| and café, the [unused3] [MASK] <|endoftext|>",
] * 9


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return vocabularies.train_bpe(lambda: iter(TEXTS), vocabulary=384)


@pytest.fixture(scope="module")
def like_modernbert(bpe) -> Tokenizer:
    own = Tokenizer.from_str(bpe.to_str())
    own.normalizer = normalizers.NFC()  # pyright: ignore[reportAttributeAccessIssue]
    names = ["|||IP_ADDRESS|||", *(" " * n for n in range(24, 1, -1)), "|||EMAIL_ADDRESS|||"]
    names += [f"[unused{number}]" for number in range(9)]
    own.add_tokens([AddedToken(name, normalized=True, special=False) for name in names])
    own.add_special_tokens(["<|endoftext|>"])
    return own


def again(own: Tokenizer) -> Tokenizer:
    return Tokenizer.from_str(own.to_str())


def assert_equal(own: Tokenizer, batch: list[str], *, names: list[str]) -> None:
    """Compare fast encoders, also of what they have seen before, with `tokenizers`."""
    column = pa.array(batch, pa.string())
    wanted = encoders.make("tokenizers", again(own)).encode(column)
    for name in names:
        encoder = encoders.make(name, again(own))
        for _ in range(2):
            found = encoder.encode(column)
            assert found.ids.tolist() == wanted.ids.tolist(), name
            assert found.ends.tolist() == wanted.ends.tolist(), name
            places = (proof.characters(one, column).tolist() for one in (found, wanted))
            assert next(places) == next(places), name


PIECES = st.sampled_from(
    [" ", "  ", "   ", " " * 25, "\n", "\t", "\u00a0", "|||", "|||IP_ADDRESS|||", "IP_ADDRESS|||",
     "[unused3]", "[unused", "3]", "[MASK]", "[CLS]", "<|endoftext|>", "the", "River", "é", "e",
     "\u0301", "中", "가", "\u1112\u1161", "\u088f", "!", "ab", "abc", "bcd", "d", "-"]
)  # fmt: skip
BATCHES = st.lists(
    st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=30)), max_size=4
)


@settings(max_examples=30)
@given(batch=BATCHES)
@example(["  [unused3]", "", "e\u0301  x", "|||IP_ADDRESS|||IP_ADDRESS|||", "   \n   "])
def test_ids_and_places_with_runs_of_spaces_are_those_of_tokenizers(like_modernbert, batch):
    assert_equal(like_modernbert, batch, names=FAST)


CONTENTS = st.sampled_from(
    ["ab", "abc", "bcd", "cd", "the", "The", "  ", " ", "\n\n", "e\u0301", "é", "SK]", "[MAS", "!-"]
)
ADDED = st.lists(
    st.builds(
        dict,
        content=CONTENTS,
        normalized=st.booleans(),
        special=st.sampled_from([False, False, False, True]),
        lstrip=st.sampled_from([False, False, True]),
        rstrip=st.sampled_from([False, False, True]),
        single_word=st.sampled_from([False, False, True]),
    ),
    max_size=5,
    unique_by=lambda one: unicodedata.normalize("NFC", one["content"]),
)


@pytest.mark.parametrize("kind", ["plain", "prefix space", "NFC"])
@settings(max_examples=30)
@given(added=ADDED, batch=BATCHES)
def test_any_added_tokens_are_found_as_tokenizers_finds_them(bpe, kind, added, batch):
    own = again(bpe)
    if kind == "NFC":
        own.normalizer = normalizers.NFC()  # pyright: ignore[reportAttributeAccessIssue]
    if kind == "prefix space":
        own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)  # pyright: ignore[reportAttributeAccessIssue]
    for one in added:
        own.add_tokens([AddedToken(**one)])
    names = [name for name in FAST if kind != "prefix space" or name == "gigatoken"]
    assert_equal(own, [*batch, "the abcd  [MASK] cafe\u0301"], names=names)


@settings(max_examples=30)
@given(added=ADDED, batch=BATCHES)
def test_added_tokens_of_a_wordpiece_vocabulary_are_found(added, batch):
    own = again(wordpiece())
    for one in added:
        own.add_tokens([AddedToken(**{**one, "normalized": False})])
    assert_equal(own, batch, names=["words"])


def wordpiece(made: list[Tokenizer] = []) -> Tokenizer:  # noqa: B006 - made once
    if not made:
        train = vocabularies.train_wordpiece
        made.append(train(lambda: iter(TEXTS), vocabulary=256, lowercase=True))
    return made[0]


def test_a_run_of_spaces_does_not_ask_tokenizers(like_modernbert, monkeypatch):
    column = pa.array([*TEXTS, "café", ""], pa.string())
    wanted = encoders.make("tokenizers", again(like_modernbert)).encode(column)
    assert set(wanted.ids) & {like_modernbert.token_to_id(" " * n) for n in (2, 3, 4, 8)}
    made = [encoders.make(name, again(like_modernbert)) for name in FAST]
    # Whoever asks it now fails.
    monkeypatch.setattr(encoders.Plain, "encode", None)
    for encoder in made:
        assert encoder.encode(column).ids.tolist() == wanted.ids.tolist()


def test_the_proof_takes_a_fast_encoder_for_a_tokenizer_like_modernberts(like_modernbert):
    data = tokenizer.files(again(like_modernbert))["tokenizer.json"]
    for name in FAST:
        assert proof.decide(TEXTS, data, [name, "tokenizers"]).encoder == name


def test_added_tokens_in_a_changed_text_are_refused_by_name():
    own = again(wordpiece())
    own.add_tokens(["Brontë"])
    with pytest.raises(UnfitError, match=r"looked for in what BertNormalizer makes .* 'Brontë'"):
        encoders.make("words", own)


def test_added_tokens_of_one_normal_form_are_refused(like_modernbert):
    own = again(like_modernbert)
    own.add_tokens(["é", "e\u0301"])
    with pytest.raises(UnfitError, match="two added tokens 'é' in normal form"):
        encoders.make("words", own)


def test_too_many_added_tokens_are_refused():
    table = {
        "added_tokens": [
            {"id": number, "content": f"{number:05d}" * 6, "normalized": False, "special": False,
             "lstrip": False, "rstrip": False, "single_word": False}
            for number in range(20_000)
        ]
    }  # fmt: skip
    with pytest.raises(UnfitError, match="more than 65,536 bytes"):
        added_tokens.Added(table)


def test_a_table_without_any_is_left_alone(bpe):
    assert added_tokens.normal_form(json.loads(bpe.to_str())) is None
    spans, is_refused = added_tokens.Added(json.loads(bpe.to_str())).find(pa.array(TEXTS[:3]))
    assert np.array_equal(spans.known, [-1, -1, -1])
    assert not is_refused.any()
