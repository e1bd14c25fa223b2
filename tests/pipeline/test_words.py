import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.words import normalized, words


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


@given(st.text(st.characters(max_codepoint=127), max_size=40))
def test_the_ascii_path_equals_the_general_one(text: str):
    assert f"{normalized(text)} é".strip() == normalized(f"{text} é")


@given(st.text(max_size=30), st.sampled_from([str.upper, str.title, str.swapcase]))
def test_punctuation_and_spacing_do_not_matter(text: str, change: object):
    assert normalized(f"  {text} ...\n") == normalized(text)


@pytest.mark.parametrize(
    "text", ["a-" * 300_000, "a\u0301" * 300_000, "1,1." * 200_000, "-" * 10**6]
)
def test_hostile_texts_take_linear_time(text: str):
    words(text)
    normalized(text)
