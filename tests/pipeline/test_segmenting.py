"""Where words begin, as a segmenter has it, in texts, tokens and rows."""

import importlib.metadata
import json
import unicodedata
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nasty import TEXTS as NASTY
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pipeline import readers, recipe
from pipeline.encoding import encoders, tokens
from pipeline.encoding.token_places import Tokens
from pipeline.running import flow
from pipeline.segmenting import segmenters
from pipeline.segmenting.word_starts import word_starts
from train import mask, vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
UNSPACED = (
    "我们明天看书电影昨日は図書館で本を読みましたカタカナー𠀀"
    "เมื่อวานฉันไปตลาดน้ำຂ້ອຍຕຳຫຼາດကျွန်တော်သွားខ្ញុំទៅផ្សារ"
)
OTHER = "་བོད。、😀\u200d"
SPACED = "aBé1 .,'(-\n\tЖи9"
MIXED = st.lists(
    st.one_of(
        st.text(UNSPACED, max_size=8),
        st.text(SPACED, max_size=4),
        st.sampled_from(OTHER),
    ),
    max_size=8,
).map("".join)

GOLDEN = [
    "我们|明天|去|图书|馆|看书|。",
    "她|喜欢|音乐|和|电影",
    "昨日|は|図書館|で|本|を|読み|ま|した|。",
    "村|の|水車|は|速|く|回る",
    "新しい|電車|は|静か|です|。",
    "เมื่อ|วาน|ฉัน|ไป|ตลาด|กับ|เพื่อน",
    "น้ำ|ใน|แม่น้ำ|ใส|มาก",
    "ຂ້ອຍ|ໄປ|ຕະຫຼາດ",
    "ខ្ញុំ|ទៅ|ផ្សារ",
]


def cut(text: str) -> list[str]:
    data = text.encode()
    begins = [*segmenters.word_bytes(text).tolist(), len(data)]
    return [data[a:b].decode() for a, b in pairwise(begins)]


@pytest.mark.parametrize("words", GOLDEN)
def test_words_are_those_of_the_dictionaries(words):
    assert "|".join(cut(words.replace("|", ""))) == words


@given(st.one_of(MIXED, NASTY))
def test_words_partition_the_text(text):
    text = text.encode("utf-8", "ignore").decode()
    assert "".join(cut(text)) == text
    assert all(cut(text))


def is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M" or char in "\u200c\u200d\u0e33\u0eb3"


def is_unspaced(char: str) -> bool:
    return char.isalnum() and char in UNSPACED


def oracle(text: str, begins: list[int]) -> list[bool]:
    """Return which tokens begin a word, from the text and the characters in which they begin."""
    words, at = set(), 0
    for word in cut(text):
        words.add(at)
        at += len(word)
    found: list[bool] = []
    for number, begin in enumerate(begins):
        before = begins[number - 1] if number else -1
        if number == 0 or begin == before:
            found.append(number == 0)
            continue
        char, last = text[begin], text[begin - 1]
        base = next((one for one in reversed(text[:begin]) if not is_mark(one)), text[0])
        if is_mark(char) or char == "་":
            found.append(False)
        elif not char.isalnum():
            found.append(True)
        elif last == " ":
            found.append(before != begin - 1)
        elif is_unspaced(char):
            found.append(begin in words)
        else:
            found.append(not base.isalnum() or is_unspaced(base))
    return found


@given(data=st.data(), texts=st.lists(MIXED, max_size=4))
def test_a_token_begins_a_word_where_its_text_does(data, texts):
    chars = [
        sorted(data.draw(st.lists(st.integers(0, len(text) - 1), max_size=12))) if text else []
        for text in texts
    ]
    begins = [
        len(text[:at].encode()) for text, mine in zip(texts, chars, strict=True) for at in mine
    ]
    ends = np.cumsum([0, *map(len, chars)], dtype=np.int64)
    made = Tokens(
        ids=np.zeros(ends[-1], np.uint32), ends=ends, begins=np.array(begins, dtype=np.int64)
    )
    found = word_starts(pa.array(texts, pa.string()), made)
    wanted = [one for text, mine in zip(texts, chars, strict=True) for one in oracle(text, mine)]
    assert found.tolist() == wanted
    # Whatever the segmenter says: no mark, and no byte inside a character, begins a word.
    for text, mine, end in zip(texts, chars, ends, strict=False):
        for number, at in enumerate(mine[1:], start=1):
            assert not (found[end + number] and is_mark(text[at]))


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        [*GOLDEN, UNSPACED, SPACED, "the mill and the river"] * 3, trainer
    )
    return tokenizer


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator([UNSPACED, SPACED, "the mill and the river"] * 3, trainer)
    return tokenizer


TOKENIZERS = {"bytes": byte_level(), "pieces": wordpiece()}


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(texts=st.lists(st.text(SPACED + "themilrv ", max_size=30), min_size=1, max_size=3))
def test_in_scripts_with_spaces_words_are_those_of_the_vocabulary(kind, texts):
    tokenizer = TOKENIZERS[kind]
    size = tokenizer.get_vocab_size()
    table = json.loads(tokenizer.to_str())
    known = mask.Vocabulary(
        size=size,
        mask_id=4,
        special_ids=(0, 2, 3, 4),
        words=vocabulary.word_flags(table, size=size),
    )
    plain = encoders.Plain(tokenizer)
    for one in tokens.encode(texts, plain, segment=word_starts):
        found = np.frombuffer(one.word_starts, dtype=np.bool_)
        assert found.tolist() == mask.word_starts(one.ids[None, :], known)[0].tolist()


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(texts=st.lists(MIXED, min_size=1, max_size=4))
def test_no_id_changes_by_segmenting_and_words_are_the_segmenters(kind, texts):
    plain = encoders.Plain(TOKENIZERS[kind])
    cuts = zip(
        tokens.encode(texts, plain), tokens.encode(texts, plain, segment=word_starts), strict=True
    )
    for without, found in cuts:
        assert np.array_equal(without.ids, found.ids)
        assert len(found.word_starts) == len(found.ids)
        for before, after, start in zip(
            without.breaks, found.breaks, found.word_starts, strict=True
        ):
            if before in (tokens.LETTER, tokens.WORD):
                assert after == (tokens.WORD if start else tokens.CHARACTER)
            else:
                assert after == before


def of(language: str, **more: str) -> recipe.Recipe:
    source = recipe.Source(name="s", kind="text", paths=("a",), language=language, **more)
    return recipe.Recipe(name="r", source=(source,))


def test_sources_of_languages_without_spaces_have_a_segmenter():
    names = {"th": "icu", "ja": "icu", "zh-Hant-TW": "icu", "cmn": "icu", "en": "", "ko": ""}
    assert {name: segmenters.named(of(name).source[0]) for name in names} == names
    assert segmenters.named(of("en", segmenter="icu").source[0]) == "icu"
    assert segmenters.versions(of("th", segmenter="none")) == {}
    assert segmenters.versions(of("th"))["s"]["icu"] == segmenters.installed()["icu"]
    # No stage before the shards depends on it.
    one, other = (of("th", segmenter=name).source[0] for name in ("icu", "none"))
    assert readers.section(one) == readers.section(other)


def test_a_worker_with_other_dictionaries_is_refused():
    known = segmenters.installed()
    assert set(known) == {"icu4py", "icu"}
    flow.refuse_other(known)
    with pytest.raises(ValueError, match=rf"icu {known['icu']} \(planned with 1\.0\)"):
        flow.refuse_other({**known, "icu": "1.0"})


def test_a_segmenter_that_is_not_installed_is_an_error_with_the_cure(monkeypatch):
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(ValueError, match=r"source 's': .*icu4py.*pip install .*segmenter = \"none"):
        segmenters.check(of("ja"))
    segmenters.check(of("en"))
    segmenters.check(of("ja", segmenter="none"))
