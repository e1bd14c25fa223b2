from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics import DUPLICATE_SIZES, METRICS, STOP_WORDS, TOP_SIZES, measure, measure_one
from pipeline.words import words

WORDY = st.lists(st.sampled_from(["a", "bb", "the", "C3", "7"]), max_size=40).map(" ".join)


def test_a_small_text_by_hand():
    text = "- The cat's 2 hats...\nOne line.\n\nOne line.\n \nIt costs #5 to be Ü"
    found = measure_one(text)
    expected = {
        "num_chars": len(text),
        "num_bytes": len(text) + 1,
        "num_words": 14,
        "num_alpha_words": 12,
        "num_stop_words": 3,
        "num_hashes": 1,
        "num_ellipses": 1,
        "num_digits": 2,
        "num_upper": 5,
        "num_newlines": 5,
        "num_lines": 4,
        "num_bullet_lines": 1,
        "num_ellipsis_lines": 1,
        "num_terminal_lines": 3,
        "num_duplicate_lines": 1,
        "num_duplicate_line_chars": 9,
        "num_paragraphs": 3,
        "num_duplicate_paragraphs": 0,
        "num_duplicate_paragraph_chars": 0,
        "num_top_2gram_chars": 14,
        "num_top_3gram_chars": 0,
    }
    assert {name: found[name] for name in expected} == expected


def test_later_copies_count_and_the_first_does_not():
    found = measure_one("same here\n\nsame here\n\nsame here")
    assert (found["num_lines"], found["num_duplicate_lines"]) == (3, 2)
    assert (found["num_paragraphs"], found["num_duplicate_paragraph_chars"]) == (3, 18)


def naive_ngrams(found: list[str]) -> dict[str, int]:
    result = {}
    for n in range(2, 11):
        grams = [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]
        counts = Counter(grams)
        most = max(counts.values(), default=0)
        if n in TOP_SIZES:
            sizes = [sum(map(len, gram)) for gram, count in counts.items() if count == most > 1]
            result[f"num_top_{n}gram_chars"] = most * max(sizes, default=0)
        if n in DUPLICATE_SIZES:
            seen: set[tuple[str, ...]] = set()
            covered: set[int] = set()
            for i, gram in enumerate(grams):
                if gram in seen:
                    covered.update(range(i, i + n))
                seen.add(gram)
            result[f"num_duplicate_{n}gram_chars"] = sum(len(found[i]) for i in covered)
    return result


@given(st.one_of(WORDY, st.text(max_size=50)))
def test_ngrams_equal_a_naive_count(text: str):
    found = measure_one(text)
    naive = naive_ngrams(words(text))
    assert {name: found[name] for name in naive} == naive


@given(st.one_of(WORDY, st.text(max_size=60)))
def test_numerators_stay_below_their_denominators(text: str):
    found = measure_one(text)
    assert found.keys() == METRICS.keys()
    assert all(type(value) is int and value >= 0 for value in found.values())
    assert found["num_chars"] == len(text)
    assert found["num_word_chars"] == sum(map(len, words(text)))
    assert found["num_digits"] + found["num_upper"] <= found["num_chars"]
    assert found["num_alpha_words"] <= found["num_words"]
    assert found["num_stop_words"] <= len(STOP_WORDS)
    for name, value in found.items():
        if name.endswith("gram_chars"):
            assert value <= found["num_word_chars"] * (4 if "top" in name else 1)
        if name.endswith("_lines"):
            assert value <= found["num_lines"]


@given(st.lists(st.text(max_size=20), max_size=5))
def test_a_batch_is_its_texts(texts: list[str]):
    batch = measure(texts)
    assert list(batch) == list(METRICS)
    for row, text in enumerate(texts):
        assert {name: int(column[row]) for name, column in batch.items()} == measure_one(text)
    assert all(column.dtype == np.int64 for column in batch.values())


@pytest.mark.parametrize("text", ["a " * 300_000, "\n" * 10**6, "x" * 10**6, "... " * 200_000])
def test_hostile_texts_take_linear_time(text: str):
    measure_one(text)
