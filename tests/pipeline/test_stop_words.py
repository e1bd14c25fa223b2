"""Stop-word lists, looked at on the Universal Declaration of Human Rights: only a check."""

import gzip
import json

from pipeline.text import stop_words
from pipeline.text.language_codes import normalized
from pipeline.text.words import words


def test_english_is_gophers_own_list():
    assert stop_words.of("en-GB") == {"the", "be", "to", "of", "and", "that", "have", "with"}


def test_every_list_is_of_a_normalized_language_in_lower_case_and_long_enough():
    for code, own in stop_words.STOP_WORDS.items():
        assert normalized(code) == code
        assert len(own) >= 8, code
        assert all(word == word.lower() for word in own), code


def test_every_stop_word_is_a_word_as_texts_are_cut():
    for code, own in stop_words.STOP_WORDS.items():
        assert {word for word in own if words(word) != [word]} == set(), code


def test_a_language_without_a_list_has_no_stop_words():
    assert stop_words.of("ltg") == stop_words.of("") == stop_words.of("th") == frozenset()


def test_two_stop_words_stand_in_nearly_every_300_characters(real_data):
    with gzip.open(real_data / "langid" / "udhr.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    shares: dict[str, float] = {}
    for row in rows:
        own = stop_words.of(row["iso639_3"])
        text = " ".join(row["text"].split())
        pieces = [text[at : at + 300] for at in range(0, len(text) - 299, 300)]
        if own:
            found = sum(len(own & set(words(piece))) >= 2 for piece in pieces)
            shares[row["bcp47"]] = found / len(pieces)
    assert len(shares) == 39
    assert min(shares.values()) >= 0.94, sorted(shares.items(), key=lambda entry: entry[1])[:3]
    # Turkish and Basque put much of their grammar into suffixes.
    assert {code for code, share in shares.items() if share < 0.95} == {"tr", "eu"}
