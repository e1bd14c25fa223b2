import time

import nasty
import numpy as np
import pyarrow as pa
import pytest
import word_reference
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.hash_kernel import token_hash
from pipeline.text.words import normalized, normalized_views, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("The cat's pyjamas.", ["The", "cat's", "pyjamas"]),
        ("state-of-the-art -- really", ["state-of-the-art", "really"]),
        ("rock 'n' roll's’", ["rock", "n", "roll's"]),
        ("It cost $3,000.50, or 7%.", ["It", "cost", "3,000.50", "or", "7"]),
        ("snake_case a/b a.b", ["snake", "case", "a", "b", "a", "b"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("Việt Nam cafe\u0301", ["Việt", "Nam", "cafe\u0301"]),
        ("日本語です。2024年", ["日", "本", "語", "で", "す", "2024", "年"]),
        ("ภาษาไทย", ["ภ", "า", "ษ", "า", "ไ", "ท", "ย"]),
        ("ที่", ["ที่"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("... !!! \n\t", []),
    ],
)
def test_words(text: str, expected: list[str]):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("  Hello,\n\nWORLD!! ", "hello world"),
        ("Straße ﬁne ＡＢＣ", "strasse fine abc"),
        ("don't — don’t", "don t don t"),
        ("co\xadoperate", "cooperate"),
        ("***", ""),
        ("***—", ""),
        ("CAFÉ cafe\u0301", "café café"),
    ],
)
def test_normalized(text: str, expected: str):
    assert normalized(text) == expected


@given(st.text(max_size=60))
def test_words_are_pieces_of_the_text_in_order(text: str):
    at = 0
    for word in words(text):
        assert word
        assert not any(char.isspace() for char in word)
        at = text.index(word, at) + len(word)


@given(st.text(max_size=60))
def test_normalizing_leaves_single_spaces_and_no_case(text: str):
    view = normalized(text)
    assert view == " ".join(view.split())
    assert normalized(view) == view


@given(nasty.TEXTS)
def test_words_and_views_equal_those_of_plain_regular_expressions(text: str):
    assert words(text) == word_reference.words(text)
    assert normalized(text) == word_reference.normalized(text)


def test_words_and_views_of_real_texts_equal_those_of_plain_regular_expressions(real_data):
    for text in nasty.real_texts(real_data, num_each=8, num_chars=1500):
        assert words(text) == word_reference.words(text)
        assert normalized(text) == word_reference.normalized(text)


def test_every_character_folds_as_python_folds_it():
    # Alone, and behind a letter that marks and jamo join to.
    blocks = ((0, 0x3400), (0xA000, 0xAC20), (0xF900, 0x11000), (0x1D100, 0x1F300))
    blocks += ((0x2F800, 0x2FA20), (0xE0100, 0xE0110))
    chars = [chr(code) for first, last in blocks for code in range(first, last)]
    for before in ("", "e", "\uac00"):
        lines = pa.array([before + char for char in chars], pa.string())
        views = normalized_views(lines)
        found = [bytes(views.text(number)).decode() for number in range(len(chars))]
        folded = word_reference.normalized("\n".join(before + char for char in chars))
        assert " ".join(filter(None, found)) == folded


@given(st.lists(nasty.TEXTS, max_size=6))
def test_views_of_a_batch_are_those_of_its_texts_and_name_their_words(texts: list[str]):
    views = normalized_views(pa.array(texts, pa.string()))
    begin = 0
    for number, text in enumerate(texts):
        view = bytes(views.text(number)).decode()
        assert view == normalized(text)
        end = int(views.word_ends[number])
        hashes = [
            token_hash(np.array([ord(char) for char in word], dtype=np.uint32))
            for word in word_reference.words(view)
        ]
        assert views.words[begin:end].tolist() == hashes
        begin = end


@given(st.text(max_size=30), st.sampled_from([str.upper, str.title, str.swapcase]))
def test_punctuation_and_spacing_do_not_matter(text: str, change: object):
    assert normalized(f"  {text} ...\n") == normalized(text)


@pytest.mark.parametrize(
    "text", ["a-" * 300_000, "a\u0301" * 300_000, "1,1." * 200_000, "-" * 10**6]
)
def test_hostile_texts_take_linear_time(text: str):
    words(text[:9])  # compiles
    normalized(text[:9])
    began = time.process_time()
    words(text)
    normalized(text)
    assert time.process_time() - began < 10  # a tenth of a second; what is quadratic takes hours
