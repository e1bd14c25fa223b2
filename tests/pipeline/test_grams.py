"""Words, n-grams and lines by hash are those of the normalized view, and are found again."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.match import grams
from pipeline.text import words

TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("abcXYZ019 \n\t.,-'_ßÄéİσς\u0301\u00ad\u200d\u3000漢字かなไทยहिन्दी①ﬁ"),
        st.characters(exclude_categories=("Cs",)),
    ),
    max_size=60,
)


def by_definition(text: str) -> list[str]:
    """The words of shingles: what blanks divide in the normalized view, or the word rule."""
    folded = words.normalized(text)
    return folded.split() if folded.isascii() else words.words(folded)


GOLDEN_WORDS = ["901962260b6a34d5", "5f91d7c27b23c490", "12e31b03326f8054", "5cacc11865ec2418"]
GOLDEN_GRAMS = ["c21c86e6dcd48de6", "2f4555ee78dc66ed"]


@given(TEXTS)
def test_the_words_are_those_of_the_normalized_view(text):
    hashes, _ = grams.word_hashes(grams.view(text))
    again, _ = grams.word_hashes(grams.view(" ".join(by_definition(text))))
    assert len(hashes) == len(by_definition(text))
    assert (hashes == again).all()


def test_a_word_hash_is_fnv_1a_behind_a_finalizer_on_every_machine():
    # A change of these numbers is a change of GRAMS_VERSION.
    hashes, lines = grams.word_hashes(grams.view("The quick\n\nBrown fox"))
    assert [f"{value:016x}" for value in hashes.tolist()] == GOLDEN_WORDS
    assert lines.tolist() == [0, 0, 2, 2]
    assert [f"{value:016x}" for value in grams.ngrams(hashes, 3).tolist()] == GOLDEN_GRAMS


@given(st.lists(st.sampled_from("abc"), max_size=30), st.lists(st.sampled_from("abc"), max_size=30))
def test_exactly_the_ngrams_of_both_texts_are_found(one, other):
    def shared(size):
        def cut(tokens):
            return {tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)}

        return len(cut(one) & cut(other))

    mine, theirs = (grams.word_hashes(" ".join(text).encode())[0] for text in (one, other))
    wanted = [np.unique(grams.ngrams(mine, size)) for size in (2, 4)]
    found = grams.Finder(wanted, [2, 4]).find(theirs)
    assert len(found) == shared(2) + shared(4)
    assert (found == np.unique(found)).all()


def test_many_matches_in_one_text_are_all_found():
    text = " ".join(map(str, range(1000))).encode()
    hashes, _ = grams.word_hashes(text)
    finder = grams.Finder([np.unique(grams.ngrams(hashes, 13))], [13])
    assert len(finder.find(hashes)) == 988
    assert not len(finder.find(hashes[::-1].copy()))


def test_lines_are_equal_where_their_words_are():
    text = "One, two THREE!\n\n  one two three\none two\nthree\nεν δύο\nΕΝ ΔΎΟ"
    hashes, numbers, counts = grams.line_hashes(*grams.word_hashes(grams.view(text)))
    assert numbers.tolist() == [0, 2, 3, 4, 5, 6]
    assert counts.tolist() == [3, 3, 2, 1, 2, 2]
    assert hashes[0] == hashes[1]
    assert hashes[4] == hashes[5]
    assert len(set(hashes.tolist())) == 4
