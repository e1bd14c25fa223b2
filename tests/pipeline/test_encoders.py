"""Every encoder gives the ids of `tokenizers`, in windows or at once, and says where it cannot."""

import gzip
import importlib.util
import json
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from encoder_examples import (
    TEXTS,
    assert_equal,
    changed,
    small_bpe,
    small_wordpiece,
    spaced,
    texts,
    unigram,
)
from hypothesis import given
from tokenizers import (
    Tokenizer,
    normalizers,
    pre_tokenizers,
)

from pipeline import tokenizer
from pipeline.encoding import (
    encoders,
    proof,
    tokens,
    word_table,
)
from pipeline.encoding.encoders import Plain
from pipeline.encoding.token_places import UnfitError
from pipeline.running import flow
from pipeline.text import codepoints

HAS_GIGATOKEN = importlib.util.find_spec("gigatoken") is not None
needs_gigatoken = pytest.mark.skipif(not HAS_GIGATOKEN, reason="gigatoken is not installed")


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return small_bpe()


@pytest.fixture(scope="module")
def wordpiece() -> Tokenizer:
    return small_wordpiece()


@pytest.fixture(scope="module")
def kept(bpe, wordpiece) -> dict[tuple[str, str], encoders.Encoder]:
    """Encoders that have seen other texts before, as in a run."""
    made = {
        ("words", "bpe"): encoders.make("words", bpe),
        ("words", "wordpiece"): encoders.make("words", wordpiece),
    }
    if HAS_GIGATOKEN:
        made["gigatoken", "bpe"] = encoders.make("gigatoken", bpe)
    return made


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
@given(batch=TEXTS)
def test_ids_and_places_are_those_of_tokenizers(bpe, wordpiece, kept, kind, batch):
    own = {"bpe": bpe, "wordpiece": wordpiece}[kind]
    column = pa.array(batch, pa.string())
    wanted = Plain(own).encode(column)
    for (_, which), encoder in kept.items():
        if which == kind:
            assert_equal(encoder.encode(column), wanted)


@pytest.mark.parametrize("adds_space", [False, True])
@given(batch=TEXTS)
def test_tokens_begin_where_offsets_say(bpe, adds_space, batch):
    """`placed` goes by the bytes of tokens; `tokenizers` counts characters."""
    own = spaced(bpe) if adds_space else bpe
    found = Plain(own).encode(pa.array(batch, pa.string()))
    for number, text in enumerate(batch):
        begins = found.begins[found.ends[number] : found.ends[number + 1]]
        offsets = [begin for begin, _ in own.encode(text, add_special_tokens=False).offsets]
        # Inside a character both stand at it.
        assert [len(text.encode()[:at].decode(errors="ignore")) for at in begins] == offsets


def test_a_slice_of_a_table_is_encoded_as_its_texts(bpe, kept):
    column = pa.array([*texts(3), "", "an end"], pa.string())
    for (_, which), encoder in kept.items():
        if which == "bpe":
            assert_equal(encoder.encode(column[1:4]), Plain(bpe).encode(column[1:4]))


def test_a_full_table_begins_anew_and_long_texts_are_asked_for_in_parts(monkeypatch, bpe):
    monkeypatch.setattr(word_table, "TABLE_BYTES", 600)
    monkeypatch.setattr(word_table, "CALL_BYTES", 50)
    encoder = encoders.make("words", bpe)
    for text in texts(6):
        column = pa.array([text + " x" * 9, "y" * 120, text], pa.string())
        assert_equal(encoder.encode(column), Plain(bpe).encode(column))


def test_a_real_book_at_once_and_by_words_has_the_same_ids(real_data, bpe, wordpiece):
    path = min((real_data / "books" / "classic_books_markdown").glob("*.md.gz"))
    book = gzip.decompress(path.read_bytes()).decode()
    column = pa.array([book], pa.string())
    for own in (bpe, wordpiece):
        wanted = Plain(own).encode(column)
        assert_equal(encoders.make("words", own).encode(column), wanted)
    if HAS_GIGATOKEN:
        assert_equal(encoders.make("gigatoken", bpe).encode(column), Plain(bpe).encode(column))


@pytest.mark.parametrize("kind", ["uncased", "cased", "accents kept", "Han in words", "unigram"])
def test_ids_and_words_are_right_on_real_text_in_all_languages(real_data, kind):
    with gzip.open(real_data / "langid" / "udhr.jsonl.gz", "rt", encoding="utf-8") as file:
        real = [" ".join(json.loads(line)["text"][:1500].split()) for line in file]
    if kind == "unigram":
        own = unigram()
    else:
        folder = real_data / "models" / "bert-base-uncased-vocab"
        table = json.loads((folder / "tokenizer.json").read_text())
        table["normalizer"] |= {
            "cased": {"lowercase": False},
            "accents kept": {"strip_accents": False},
            "Han in words": {"handle_chinese_chars": False},
        }.get(kind, {})
        own = tokenizer.load(json.dumps(table).encode())
    column = pa.array(real, pa.string())
    fast = encoders.make("words", changed(own))
    found = fast.encode(column)
    wanted = encoders.make("tokenizers", changed(own)).encode(column)
    assert found.ids.tolist() == wanted.ids.tolist()
    assert proof.characters(found, column).tolist() == proof.characters(wanted, column).tolist()
    unspaced = codepoints.tables().kinds & codepoints.UNSPACED
    breaks = tokens.find_breaks(column, found)
    for number, text in enumerate(real):
        # What BERT drops and what it cuts off on both sides would count, too.
        if not any(unspaced[ord(char)] or unicodedata.category(char) == "Cf" for char in text):
            own_breaks = breaks[found.ends[number] : found.ends[number + 1]]
            assert (own_breaks >= tokens.WORD).sum() == len(text.split()), text[:60]


def test_what_is_not_certain_to_be_equal_is_refused(bpe, wordpiece):
    lower = changed(bpe, normalizer=normalizers.Lowercase())
    with pytest.raises(UnfitError, match="no rule of words for pre-tokenizer ByteLevel, normali"):
        encoders.make("words", lower)
    with pytest.raises(UnfitError, match="no byte-level BPE"):
        encoders.make("gigatoken", wordpiece)


@needs_gigatoken
def test_an_encoder_that_differs_is_found_out_and_named(bpe):
    # gigatoken cuts words all the same where this pre-tokenizer does not.
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    data = tokenizer.files(changed(bpe, pre_tokenizer=whole))["tokenizer.json"]
    decision = proof.decide(texts(2), data, list(encoders.PREFERRED))
    assert decision.encoder == "tokenizers"
    assert decision.refused["gigatoken"].startswith("token ")
    assert "differs from that of tokenizers in a text of" in decision.refused["gigatoken"]


def test_the_fastest_that_is_equal_is_chosen_and_the_proof_says_on_what(bpe, wordpiece):
    data = tokenizer.files(bpe)["tokenizer.json"]
    decisions = [proof.decide(texts(3), data, [name, "tokenizers"]) for name in ("words",)]
    if HAS_GIGATOKEN:
        decisions.append(proof.decide(texts(3), data, list(encoders.PREFERRED)))
        assert decisions[-1].encoder == "gigatoken"
        assert decisions[-1].version == encoders.installed()["gigatoken"]
    assert decisions[0].encoder == "words"
    assert decisions[0].num_documents == 3 + len(proof.probes(bpe))
    assert len({(one.num_tokens, one.ids_sha256) for one in decisions}) == 1
    other = proof.decide(texts(4), data, ["tokenizers"])
    assert other.ids_sha256 != decisions[0].ids_sha256
    found = proof.decide(
        texts(3), tokenizer.files(wordpiece)["tokenizer.json"], list(encoders.PREFERRED)
    )
    assert (found.encoder, list(found.refused)) == ("words", ["gigatoken"])


def test_what_a_normal_form_changes_is_placed_by_tokenizers(bpe):
    if not HAS_GIGATOKEN:
        pytest.skip("gigatoken is not installed")
    own = changed(bpe, normalizer=normalizers.NFC())
    column = pa.array(["cafe\u0301 and the river", "the stone"], pa.string())
    found = encoders.make("gigatoken", own).encode(column)
    assert_equal(found, Plain(own).encode(column))
    assert np.array_equal(found.begins[: found.ends[1]], np.sort(found.begins[: found.ends[1]]))


@needs_gigatoken
def test_a_space_put_before_a_text_is_no_reason_to_ask_tokenizers(bpe, monkeypatch):
    own = spaced(bpe)
    column = pa.array([*texts(3), " begins with one", "", "\ttab", "é", "x"], pa.string())
    wanted = Plain(own).encode(column)
    fast = encoders.make("gigatoken", own)
    # Whoever asks it now fails.
    monkeypatch.setattr(Plain, "encode", None)
    assert_equal(fast.encode(column), wanted)


@needs_gigatoken
def test_gigatoken_cuts_as_tokenizers_around_every_character_that_python_knows():
    import gigatoken

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    chars = codepoints._known()
    for at in range(0, len(chars), 4096):
        text = "".join(f"\na{c}b1{c}2!{c}? {c}" for c in chars[at : at + 4096])
        theirs = [end - begin for _, (begin, end) in byte_level.pre_tokenize_str(text)]
        assert [len(piece.decode()) for piece in gigatoken.pretokenizer(text.encode())] == theirs


def test_the_proof_is_of_few_parts_of_each_source_whatever_their_order():
    inputs = [
        {
            "name": f"{source}-{number}",
            "url": f"{source}/{number}",
            "fates": f"fates/{source}/{number}",
            "content": f"{source} {number}",
            "fates_content": "",
            "source": source,
            "num_rows": number,
            "num_bytes": 1_000_000 * number,
        }
        for source, num in (("books", 3), ("news", 40))
        for number in range(num)
    ]
    common = {
        "vocabulary": {"digest": "0", "url": "t", "special": {"[UNK]": 1}},
        "libraries": {"tokenizers": "1"},
    }
    (part,) = proof.plan({}, inputs=inputs, **common)
    (again,) = proof.plan({}, inputs=inputs[::-1], **common)
    assert again == part
    drawn = [source for _, _, source in part.inputs["parts"]]
    assert drawn == ["books"] * 2 + ["news"] * 4  # a part without documents has nothing to draw
    assert part.inputs["candidates"] == ["words", "tokenizers"]
    assert 0 < part.inputs["shares"]["news"] < part.inputs["shares"]["books"] < 1
    # Another version of an encoder is another proof.
    other = {**common, "libraries": {"tokenizers": "1", "gigatoken": "2"}}
    (fast,) = proof.plan({}, inputs=inputs, **other)
    assert fast.inputs["candidates"] == ["gigatoken", "words", "tokenizers"]
    assert fast.fingerprint != part.fingerprint


def test_a_worker_without_the_planned_encoder_is_refused():
    with pytest.raises(ValueError, match=r"no-such-encoder not installed \(planned with 1.0\)"):
        flow.refuse_other({"no-such-encoder": "1.0"})
