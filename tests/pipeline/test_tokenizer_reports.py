"""A tokenizer's report counts what its users need to know, and text comes back from its tokens."""

import json

import pytest
from encoder_examples import PIECES, small_bpe, small_wordpiece, spaced
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
)

from pipeline.encoding import (
    tokenizer_check,
    tokenizer_report,
)
from pipeline.encoding.encoders import Plain


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return small_bpe()


@pytest.fixture(scope="module")
def wordpiece() -> Tokenizer:
    return small_wordpiece()


def samples(*rows: tuple[str, str, str]) -> list[tokenizer_check.Sample]:
    return [
        tokenizer_check.Sample(source=source, language=language, text=text)
        for source, language, text in rows
    ]


def test_fertility_and_unknown_are_counted_by_source_and_language(wordpiece):
    found = tokenizer_check.check(
        samples(
            ("b", "en", "the river"),
            ("a", "en", "The River, the bridge"),
            ("a", "hy", "ջուր the"),
            ("a", "en", "of the"),
        ),
        wordpiece,
        Plain(wordpiece),
        unknown=wordpiece.token_to_id("[UNK]"),
    )
    names = ("source", "language", "num_documents", "num_words", "num_tokens", "num_unknown")
    assert [tuple(one[name] for name in names) for one in found] == [
        ("a", "en", 2, 6, 7, 0),
        ("a", "hy", 1, 2, 2, 1),
        ("b", "en", 1, 2, 2, 0),
    ]
    assert [one["num_changed"] for one in found] == [0, 0, 0]


def test_the_report_gives_tokens_per_word_only_where_words_are_known(wordpiece):
    found = tokenizer_check.check(
        samples(
            ("a", "en", "the river, the bridge"),
            ("a", "zh", "中文中文。the"),
            ("b", "", "!? ..."),
            ("c", "en", ""),
        ),
        wordpiece,
        Plain(wordpiece),
        unknown=wordpiece.token_to_id("[UNK]"),
    )
    assert [(one["num_chars"], one["num_words"], one["num_letters"]) for one in found] == [
        (21, 4, 0), (8, 5, 4), (6, 0, 0), (0, 0, 0),
    ]  # fmt: skip
    table = tokenizer_report.checks_text(found)[0].splitlines()
    rows = [line.split()[:2] + line.split()[4:7] for line in table[2:]]
    assert rows == [
        ["a", "all", "3.55", "2.64", "1.22"],
        ["a", "en", "4.20", "4.20", "1.25"],
        ["a", "zh", "3.00", "1.33", "-"],
        ["b", "-", "1.20", "1.20", "-"],
        ["c", "en", "-", "-", "-"],
    ]


def test_marks_that_a_normalizer_takes_out_are_named_where_they_are_much_of_the_text(wordpiece):
    found = tokenizer_check.check(
        samples(("a", "th", "ที่นี่มีน้ำ"), ("a", "fr", "déjà vu, the river and the bridge " * 9)),
        wordpiece,
        Plain(wordpiece),
        unknown=wordpiece.token_to_id("[UNK]"),
    )
    assert [(one["language"], one["num_marks"]) for one in found] == [("fr", 0), ("th", 6)]
    (line,) = [
        line for line in tokenizer_report.checks_text(found)[1].split("\n") if "marks" in line
    ]
    assert line.startswith("NOT as written: a th loses its marks, 54.5 % of its characters")


@example(text="the ▁ river ## stone")
@given(text=st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=40)))
def test_texts_come_back_from_their_tokens(bpe, wordpiece, text):
    for own in (bpe, wordpiece):
        own.encode_special_tokens = True
        ids = own.encode(text, add_special_tokens=False).ids
        is_exact = own is bpe
        if is_exact or 1 not in ids:
            assert tokenizer_check.comes_back(text, ids, own, is_exact=is_exact)
        if ids:
            assert not tokenizer_check.comes_back(text + "q", ids, own, is_exact=is_exact)


@pytest.mark.parametrize("kind", ["prefix space", "signs", "metaspace", "bytes"])
def test_texts_come_back_from_tokenizers_of_other_kinds(bpe, kind):
    """From tokens that begin with "##" and are no WordPiece's, too."""
    own = spaced(bpe)
    if kind != "prefix space":
        special, rest = {"<unk>": 0}, sorted({*"▁abcdefghijklmnopqrstuvwxyz#.", "##"})
        vocab = special | {token: number for number, token in enumerate(rest, start=1)}
        if kind == "bytes":
            vocab |= {f"<0x{byte:02X}>": len(vocab) + byte for byte in range(256)}
        own = Tokenizer(
            models.BPE(vocab, [("#", "#")], unk_token="<unk>", byte_fallback=kind == "bytes")
        )
        own.pre_tokenizer = pre_tokenizers.Whitespace()
        if kind != "signs":
            own.pre_tokenizer = None
            own.normalizer = normalizers.Sequence(
                [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
            )
            steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
            own.decoder = decoders.Sequence(steps)
    text = "## a title ## of rocks." + ("\n中\n" if kind == "bytes" else "")
    ids = own.encode(text, add_special_tokens=False).ids
    is_exact = kind == "prefix space"
    assert 0 not in ids
    assert tokenizer_check.comes_back(text, ids, own, is_exact=is_exact)
    assert not tokenizer_check.comes_back(text, [ids[0], *ids[2:]], own, is_exact=is_exact)
    assert not tokenizer_check.comes_back(text + "q", ids, own, is_exact=is_exact)


def test_tokens_that_lose_text_are_counted(bpe):
    # Three letters of the alphabet are missing, so that nothing spells them.
    table = json.loads(bpe.to_str())
    table["model"] |= {"merges": []}
    for letter in "xyz":
        del table["model"]["vocab"][letter]
    own = Tokenizer.from_str(json.dumps(table))
    (found,) = tokenizer_check.check(
        samples(("a", "en", "the rock"), ("a", "en", "xylophone")), own, Plain(own), unknown=1
    )
    assert (found["num_documents"], found["num_changed"]) == (2, 1)
