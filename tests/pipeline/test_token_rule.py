import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.token_rule import tokens

ODD = st.text(alphabet="aBé1.,'’-–/:=+$% \n…(_#@漢ก็ि\u200d😀", max_size=40)


def cut(text: str) -> str:
    return " ".join(text[begin:end] for begin, end in tokens(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The end.", "The end ."),
        ("(He said: “Stop!”)", "( He said : “ Stop ! ” )"),
        ("well-known twenty--five", "well - known twenty -- five"),
        ("a----b 1-2 2024-05-06 -x x-", "a----b 1 - 2 2024 - 05 - 06 -x x-"),
        ("don't we'll they’d deceiv'd cat's dogs'", "do n't we 'll they ’d deceiv'd cat 's dogs '"),
        ("1,000.50 a,b x,1", "1,000.50 a , b x,1"),
        ("U.S. NATO. p. 5 i.e. z.B. etc.", "U.S. NATO . p. 5 i.e. z . B. etc ."),
        ("wait... what..ever …", "wait ... what .. ever …"),
        ("https://a.org/b-c?d=e (www.x.org).", "https://a.org/b-c?d=e ( www.x.org ) ."),
        ("first.Second read_me.txt me@x.org", "first . Second read_me.txt me@x.org"),
        ("and/or x=y 3:30 key:value a<b", "and / or x = y 3:30 key : value a < b"),
        ("$5 5$ 50% +x +5 5+ €7", "$ 5 5 $ 50 % + x +5 5 + € 7"),
        ("**bold** `code()` _id_ #tag", "* * bold * * ` code ( ) ` _ id _ # tag"),
        ("漢字です。Python3の本", "漢 字 で す 。 Python3 の 本"),
        ("ภาษาไทย", "ภ า ษ า ไ ท ย"),
        ("हिन्दी भाषा।", "हिन्दी भाषा ।"),
        ("བོད་ཡིག", "བོད ་ ཡིག"),
        ("nice😀day 25°C", "nice 😀 day 25 ° C"),
        ("", ""),
        (" \n\t", ""),
    ],
)
def test_what_is_a_token(text: str, expected: str):
    assert cut(text) == expected


@given(st.one_of(ODD, st.text(max_size=40)))
def test_every_visible_character_is_in_one_token_in_order(text: str):
    spans = tokens(text)
    assert all(begin < end for begin, end in spans)
    assert "".join(text[begin:end] for begin, end in spans) == "".join(text.split())
    assert spans == sorted(spans)


@given(ODD, ODD)
def test_white_space_parts_a_text(left: str, right: str):
    assert cut(f"{left} {right}").split() == [*cut(left).split(), *cut(right).split()]
