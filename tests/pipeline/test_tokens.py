"""Encoding decodes back, and cuts lose nothing and fall where they may."""

import functools
import gzip
import json
import random
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from corpus import schemas
from pipeline import tokenizer
from pipeline.encoding import encoders, tokens, vocabularies
from pipeline.text.codepoints import CLOSER, STOP_WIDE, UNSPACED, tables
from pipeline.text.sentences import sentence_ends


@pytest.fixture(scope="module")
def trained(request) -> Tokenizer:
    rng = random.Random(1)
    words = ["river", "stone", "bridge", "harvest", "engine", "and", "the", "of"]
    texts = [" ".join(rng.choice(words) for _ in range(30)) + ". " for _ in range(50)]
    return vocabularies.train_bpe(lambda: iter(texts), vocabulary=448)


@given(
    breaks=st.lists(st.sampled_from([0, 0, 1, 1, 2, 3, 4, 4, 5]), max_size=200).map(bytes),
    before=st.integers(0, 5),
    limit=st.integers(2, 40),
    spare=st.sampled_from([0, 4]),
)
def test_pieces_are_the_document(breaks, before, limit, spare):
    whole = bytes(before) + breaks + bytes([tokens.SENTENCE])
    end = before + len(breaks)
    pieces = tokens.cut(whole, before, end, limit=limit, spare=spare)
    assert [i for first, last in pieces for i in range(first, last)] == list(range(before, end))
    assert all(0 < last - first <= limit for first, last in pieces)
    for first, last in pieces[:-1]:
        # Inside a word only where no word ends within the limit, and so down to bytes.
        reached = max(whole[first + 1 : first + limit + 1])
        assert whole[last] >= min(reached, tokens.LETTER)


def test_a_long_document_is_cut_at_ends_of_sentences(trained):
    text = " ".join("The river and the stone of the bridge." for _ in range(40))
    (document,) = tokens.encode([text], encoders.Plain(trained))
    pieces = [
        trained.decode(document.ids[begin:end].tolist())
        for begin, end in tokens.cut(document.breaks, 0, len(document.ids), limit=120)
    ]
    assert "".join(pieces) == text
    assert all(piece.rstrip().endswith("bridge.") for piece in pieces)
    assert len(pieces) > 2


SIGNS = {tokens.SENTENCE: "||", tokens.WORD: "|", tokens.LETTER: "¦"}


def flagged(text: str, own: Tokenizer) -> list[str]:
    """Return the tokens of a text, each with a bar before it for a word and two for a sentence."""
    (found,) = tokens.encode([text], encoders.Plain(own))
    pairs = zip(found.breaks, found.ids.tolist(), strict=True)
    return [SIGNS.get(kind, "") + own.decode([number]) for kind, number in pairs]


def test_a_sentence_begins_with_the_space_before_its_first_word(trained):
    assert flagged("the river. 'the stone", trained)[:4] == ["||the", "| river", ".", "|| "]
    assert flagged("the river? the stone", trained)[3:] == ["| the", "| stone"]
    assert flagged("the river? (the stone", trained)[3:5] == ["|| ", "("]
    assert flagged("the\n\nof the", trained) == ["||the", "\n", "\n", "||of", "| the"]


@functools.cache
def of_bytes() -> Tokenizer:
    """Return a byte-level tokenizer without merges: every byte is a token."""
    own, _ = vocabularies.untrained_bpe(vocabulary=320)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    own.model = models.BPE(vocab={token: i for i, token in enumerate(alphabet)}, merges=[])  # pyright: ignore[reportAttributeAccessIssue]
    return own


def kinds_of_characters(text: str) -> str:
    """Return what begins with each character where each byte is a token."""
    (found,) = tokens.encode([text], encoders.Plain(of_bytes()))
    at = [len(text[:number].encode()) for number in range(len(text))]
    assert {found.breaks[byte] for byte in set(range(len(found.ids))).difference(at)} <= {0}
    return "".join("bpclws"[found.breaks[byte]] for byte in at)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a don't 3.14 (of)", "swcccccwccccwcccc"),
        # A letter behind another, a word behind a comma or a bracket, a sentence behind a stop.
        ("中文，没有。（日本語）です。", "slcwlcscllcwlc"),
        # Kana that go on a word: small ones, the long vowel, voice marks.
        ("チャットー人々、漢字ﾊﾞｯ", "scclclccwllpc"),
        # Thai and Lao: vowels stay with their consonant, a word begins behind white space.
        ("กี่คน น้ำเงิน เรา", "sppllwcpplcplwccc"),
        ("ພາສາລາວ ນ້ຳ", "sclclclwcpp"),
        ("ខ្មែរ", "spppl"),
        ("မြန်မာ", "splplp"),
        ("ශ්‍රී", "spppp"),
        ("क्षत्रिय", "sppcpppc"),
        ("e\u0301e\u0301", "spcp"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "sppcpp"),
        ("👩‍👩‍👧👍🏽🇩🇪🇫🇷", "sppppcpcpcp"),
    ],
)
def test_what_begins_with_a_character(text, expected):
    assert kinds_of_characters(text) == expected


def breaks_by_the_book(text: str, begins: list[int]) -> list[int]:
    """Words and sentences the slow way, from the characters in which tokens begin (-1: inside)."""
    ends = set(sentence_ends(text)) if text else set()
    found, begun, first = [0] * len(begins), set(), {0, *ends}
    for number, at in enumerate(begins):
        if at < 0 or at in begins[:number]:
            continue
        word = at + 1 if text[at] == " " and text[at + 1 : at + 2].strip() else at
        if text[word].isspace() or word in begun:
            continue
        begun.add(word)
        before = max((end for end in first if end <= word), default=0)
        kinds = tables().kinds
        unspaced = (
            kinds[ord(text[word])] & UNSPACED
            and word
            and (text[word - 1] in "、，；：､" or kinds[ord(text[word - 1])] & (STOP_WIDE | CLOSER))
        )
        if not text[before:word].strip():
            found[number] = tokens.SENTENCE
        elif text[word - 1].isspace() or unspaced:
            found[number] = tokens.WORD
    return [tokens.SENTENCE, *found[1:]] if found else []


PIECES = st.sampled_from(
    ["the river", "Dr. ", ". ", "! ", "?", " ", "  ", "\n", " \n ", "stone", "é", "中", "。", "」",
     "\u3000", "ก\u0e34", "'s", "3.1", "(", "\u00a0", "\u200b", "U.S. ", "👍"]
)  # fmt: skip


@given(
    st.one_of(st.lists(PIECES, max_size=20).map("".join), st.text(max_size=40)), st.integers(1, 30)
)
def test_breaks_follow_the_rule_in_windows_of_any_size(trained, text, window_bytes):
    column = pa.array([text], pa.string())
    found = encoders.Plain(trained).encode(column)
    bytes_before = [len(text[:at].encode()) for at in range(len(text))]
    begins = [bytes_before.index(b) if b in bytes_before else -1 for b in found.begins.tolist()]
    breaks = tokens.find_breaks(column, found, window_bytes=window_bytes)
    assert np.where(breaks < tokens.WORD, 0, breaks).tolist() == breaks_by_the_book(text, begins)
    first = [at >= 0 and at not in begins[:number] for number, at in enumerate(begins)]
    assert (breaks != tokens.BYTE).tolist() == first


# Behind these the next character belongs to them (GB9b), which no cut needs to know.
PREPENDED = regex.compile(r"[\p{GCB=Prepend}\r]")


@given(st.one_of(st.lists(PIECES, max_size=20).map("".join), st.text(max_size=40)))
@example("\u0915\u094d\u200d\u0937 \u0e19\u0e49\u0e33 👩🏽\u200d🚀 🇩🇪🇫🇷🇬 1\ufe0f\u20e3")
def test_no_word_is_cut_inside_a_character_as_people_see_it(text):
    bounds = {found.start() for found in regex.finditer(r"\X", text)}
    for at, kind in enumerate(kinds_of_characters(text)):
        if at not in bounds and not PREPENDED.match(text[at - 1]):
            assert kind not in "cl" or text[at - 1].isspace(), (text, at)


def test_characters_are_those_of_unicode_in_all_languages(real_data):
    with gzip.open(real_data / "langid" / "udhr.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = {json.loads(line)["text"][:600] for line in file}
    for text in texts:
        bounds = {found.start() for found in regex.finditer(r"\X", text)}
        kinds = kinds_of_characters(text)
        parts = {at for at, kind in enumerate(kinds) if kind == "p"}
        others = set(range(len(text))) - bounds - parts
        others = {at for at in others if not PREPENDED.match(text[at - 1])}
        assert not {at for at in others if kinds[at] not in "ws"}
        # Unicode lets vowels of some scripts stand alone that are marks all the same.
        assert all(unicodedata.category(text[at])[0] == "M" for at in parts & bounds)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_encoding_decodes_back(texts):
    fresh = of_bytes()
    for text, encoded in zip(texts, tokens.encode(texts, encoders.Plain(fresh)), strict=True):
        assert fresh.decode(encoded.ids.tolist(), skip_special_tokens=False) == text


def test_the_trained_tokenizer_loads_with_its_special_tokens(trained, tmp_path):
    for name, data in tokenizer.files(trained).items():
        (tmp_path / name).write_bytes(data)
    assert tokenizer.special_tokens(trained, {}, path="x")["[MASK]"] == "[MASK]"
    again = tokenizer.load((tmp_path / "tokenizer.json").read_bytes())
    assert again.encode("the river").tokens[0] == "[CLS]"
    # The piece that [MASK] hides begins with its space, so the mask takes the space along.
    masked = again.encode("the [MASK] of", add_special_tokens=False)
    assert masked.ids.count(4) == 1
    assert "Ġ" not in masked.tokens
    assert [again.token_to_id(name) for name in tokenizer.SPECIAL_TOKENS] == [0, 1, 2, 3, 4]


def test_a_special_token_in_the_text_is_text(trained, tmp_path):
    from pipeline import shards
    from pipeline.running.flow import Output, Part

    text = "The river [SEP] and the [MASK] stone of [PAD] the bridge."
    documents, fates = tmp_path / "d.parquet", tmp_path / "f.parquet"
    row = {"id": [1], "key": ["1"], "title": ["t"], "url": [""], "text": [text]}
    pq.write_table(pa.table(row), documents)
    none = pa.array([[]], schemas.FATES.field("cuts").type)
    pq.write_table(
        pa.table({"id": [1], "subset": ["train"], "cuts": none, "language": ["en"]}), fates
    )
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.files(trained)["tokenizer.json"])
    part = Part(
        name="p",
        fingerprint="0",
        inputs={
            "documents": str(documents),
            "fates": str(fates),
            "tokenizer": str(tmp_path / "tokenizer.json"),
            "encoder": "words",
            "special": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4},
            "seed": 0,
            "source": "wiki",
            "is_segmented": False,
            "bins": {"train": 1},
            "layout": [["train", 0]],
        },
    )
    shards.write_tokens(part, Output(url=str(tmp_path / "out")))
    rows = pa.ipc.open_file(str(tmp_path / "out" / "p.arrow")).read_all()
    ids = rows["ids"][0].as_py()
    assert not {0, 1, 2, 3, 4} & set(ids)
    assert trained.decode(ids) == text
