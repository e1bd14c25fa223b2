import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measure.metrics import measure_one
from pipeline.text.sentences import sentence_ends, sentences

PROSE = st.text(st.sampled_from("aB9.!?…,;\"”') \n\t。！」।é\u0301中។။།ལ"), max_size=60)


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        ["One sentence."],
        ["One. ", "Two! ", "Three? ", "Four"],
        ['He said "Go." ', "She went. "],
        ["Wait... ", "What?! ", "Yes."],
        ["so ... it goes on. ", "Well."],
        [
            "Dr. Smith met J. R. Jones of Acme Inc. in the U.S. Army, e.g. Paris, at 3.5 m. ",
            "Then.",
        ],
        ["It was I. ", "Me."],
        ["In fig. 2 and No. 5 of vol. 3. ", "He said no. ", "She went."],
        ["A heading\n", "A line.\n\n", "  Another line"],
        ["これは文です。", "次の文！」", "終わり"],
        ["यह वाक्य है। ", "दूसरा"],
        ["မြန်မာ။", "စာ။ ", "နောက်"],
        ["ខ្មែរ ។ល។ ", "ភាសា។ ", "ចប់៕", "ថ្មី"],
        ["བོད་ཡིག། ", "གཉིས་པ༎ ", "གསུམ"],
        ["አማርኛ። ", "ሁለት፧ ", "ሦስት፨ ", "አራት"],
        ["Հայերեն։ ", "երկու"],
        ["اردو۔ ", "دوسرا؟ ", "تین"],
        ["ᱥᱟᱱᱛᱟᱲᱤ ᱾ ", "ᱵᱟᱨ ᱿ ", "ᱯᱮ"],
        ["(It ended.) ", "[1] More. ", "9 lives."],
        ["www.example.com is no end. ", "Node.js neither."],
    ],
)
def test_pieces(pieces: list[str]):
    assert sentences("".join(pieces)) == pieces


@given(st.one_of(PROSE, st.text(max_size=60)))
def test_cuts_rise_to_the_end_and_lose_nothing(text: str):
    ends = sentence_ends(text)
    assert all(a < b for a, b in zip([0, *ends], ends, strict=False))
    assert (ends[-1] if ends else 0) == len(text)
    assert "".join(sentences(text)) == text


@given(PROSE)
def test_no_cut_inside_a_word(text: str):
    for end in sentence_ends(text)[:-1]:
        assert not (text[end - 1].isalnum() and text[end].isalnum())


@given(
    st.one_of(
        PROSE,
        st.lists(
            st.sampled_from(["Dr. ", "no. ", "J. ", "U.S. ", "e.g. ", "5", "a ", "B", ".", "\n"])
        ).map("".join),
    )
)
def test_the_kernel_counts_as_many(text: str):
    assert measure_one(text)["num_sentences"] == len(sentence_ends(text))


@pytest.mark.parametrize("text", ["." * 10**6, ". " * 300_000, ".)" * 300_000, "\n" * 10**6])
def test_hostile_texts_take_linear_time(text: str):
    assert sentence_ends(text)[-1] == len(text)
