"""Every encoder gives the ids of `tokenizers`, in windows or at once, and says where it cannot."""

import gzip
import importlib.util
import json
import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from pipeline import tokenizer
from pipeline.encoding import (
    encoders,
    proof,
    tokenizer_check,
    tokenizer_report,
    tokens,
    vocabularies,
    word_table,
)
from pipeline.encoding.encoders import Plain
from pipeline.encoding.token_places import Tokens, UnfitError
from pipeline.running import flow
from pipeline.text import codepoints

HAS_GIGATOKEN = importlib.util.find_spec("gigatoken") is not None
needs_gigatoken = pytest.mark.skipif(not HAS_GIGATOKEN, reason="gigatoken is not installed")


def spaced(bpe: Tokenizer) -> Tokenizer:
    """Return a tokenizer that puts a space before a text, as RoBERTa's may."""
    own = Tokenizer.from_str(bpe.to_str())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    own.encode_special_tokens = True
    return own


WORDS = ["river", "stone", "market", "bridge", "winter", "harvest", "engine", "letter", "island"]
FORMS = (
    "The {} crossed the {} of the {} in 1893.", "They don't say {}, {} or '{}'!",
    "(A {})\n\nIs it the {}? No: the {} of 3.14 m.",
)  # fmt: skip


def texts(num: int) -> list[str]:
    rng = random.Random(1)
    return [
        " ".join(rng.choice(FORMS).format(*rng.sample(WORDS, 3)) for _ in range(20))
        for _ in range(num)
    ]


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return vocabularies.train_bpe(lambda: iter(texts(20)), vocabulary=448)


@pytest.fixture(scope="module")
def wordpiece() -> Tokenizer:
    # With enough alphabet that rare characters are known and unknown.
    more = [*texts(20), "é ü ñ ▁ 中 文 가 ก ् 👍 · ½ don't 3.14 (x) [y] a_b"]
    return vocabularies.train_wordpiece(lambda: iter(more), vocabulary=448, lowercase=True)


@pytest.fixture(scope="module")
def kept(bpe, wordpiece) -> dict[tuple[str, str], encoders.Encoder]:
    """Encoders that have seen other texts before, as in a run."""
    made = {
        ("words", "bpe"): encoders.make("words", bpe),
        ("words", "wordpiece"): encoders.make("words", wordpiece),
    }
    if HAS_GIGATOKEN:
        made["gigatoken", "bpe"] = encoders.make("gigatoken", bpe)
    return made


def assert_equal(found: Tokens, wanted: Tokens) -> None:
    assert found.ids.tolist() == wanted.ids.tolist()
    assert found.ends.tolist() == wanted.ends.tolist()
    assert found.begins.tolist() == wanted.begins.tolist()


PIECES = st.sampled_from(
    [*" \n\t\r'.,!-_=", "  ", "'s", "'LL", "the", "River", "12", "é", "e\u0301", "\u0301", "中",
     "文", "가", "\u1112\u1161", "ก", "\u0e34", "\u00a0", "\u2003", "\u3000", "\u200b", "\u180e",
     "\x1c", "\x85", "\x00", "\x7f", "\ufffd", "½", "Ⅷ", "👍", "\U0010ffff", "[MASK]", "ŉ", "İ",
     "▁", "##"]
)  # fmt: skip
TEXTS = st.lists(
    st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=40)), max_size=4
)


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
@given(batch=TEXTS)
def test_ids_and_places_are_those_of_tokenizers(bpe, wordpiece, kept, kind, batch):
    own = {"bpe": bpe, "wordpiece": wordpiece}[kind]
    column = pa.array(batch, pa.string())
    wanted = Plain(own).encode(column)
    for (_, which), encoder in kept.items():
        if which == kind:
            assert_equal(encoder.encode(column), wanted)


@pytest.mark.parametrize("adds_space", [False, True])
@given(batch=TEXTS)
def test_tokens_begin_where_offsets_say(bpe, adds_space, batch):
    """`placed` goes by the bytes of tokens; `tokenizers` counts characters."""
    own = spaced(bpe) if adds_space else bpe
    found = Plain(own).encode(pa.array(batch, pa.string()))
    for number, text in enumerate(batch):
        begins = found.begins[found.ends[number] : found.ends[number + 1]]
        offsets = [begin for begin, _ in own.encode(text, add_special_tokens=False).offsets]
        # Inside a character both stand at it.
        assert [len(text.encode()[:at].decode(errors="ignore")) for at in begins] == offsets


def test_a_slice_of_a_table_is_encoded_as_its_texts(bpe, kept):
    column = pa.array([*texts(3), "", "an end"], pa.string())
    for (_, which), encoder in kept.items():
        if which == "bpe":
            assert_equal(encoder.encode(column[1:4]), Plain(bpe).encode(column[1:4]))


def test_a_full_table_begins_anew_and_long_texts_are_asked_for_in_parts(monkeypatch, bpe):
    monkeypatch.setattr(word_table, "TABLE_BYTES", 600)
    monkeypatch.setattr(word_table, "CALL_BYTES", 50)
    encoder = encoders.make("words", bpe)
    for text in texts(6):
        column = pa.array([text + " x" * 9, "y" * 120, text], pa.string())
        assert_equal(encoder.encode(column), Plain(bpe).encode(column))


def test_a_real_book_at_once_and_by_words_has_the_same_ids(real_data, bpe, wordpiece):
    path = min((real_data / "books" / "classic_books_markdown").glob("*.md.gz"))
    book = gzip.decompress(path.read_bytes()).decode()
    column = pa.array([book], pa.string())
    for own in (bpe, wordpiece):
        wanted = Plain(own).encode(column)
        assert_equal(encoders.make("words", own).encode(column), wanted)
    if HAS_GIGATOKEN:
        assert_equal(encoders.make("gigatoken", bpe).encode(column), Plain(bpe).encode(column))


def changed(own: Tokenizer, **parts: object) -> Tokenizer:
    again = Tokenizer.from_str(own.to_str())
    for name, value in parts.items():
        setattr(again, name, value)
    return again


MORE = "é ü 中 文 가 ก 👍 · ½ don't 3.14 (x) [y] a_b ﬁ Å ｶﾞ ﷺ"


def unigram(**parts: object) -> Tokenizer:
    """Return a tokenizer like those of SentencePiece: XLM-R, T5, ALBERT, mDeBERTa."""
    own = Tokenizer(models.Unigram())
    own.normalizer = normalizers.NFKC()  # pyright: ignore[reportAttributeAccessIssue]
    own.pre_tokenizer = pre_tokenizers.Metaspace()  # pyright: ignore[reportAttributeAccessIssue]
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=250, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    own.train_from_iterator([*texts(9), MORE], trainer)
    return changed(own, **parts)


ONE_SPACE = normalizers.Replace(Regex(" {2,}"), " ")
METASPACES = {
    "plain": {},
    "nmt": {"normalizer": normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), ONE_SPACE])},
    "xlm-r": {
        "normalizer": normalizers.Sequence([normalizers.NFKC(), ONE_SPACE]),
        "pre_tokenizer": pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
        ),
    },
    "never": {"pre_tokenizer": pre_tokenizers.Metaspace(prepend_scheme="never")},
    "albert": {
        "normalizer": normalizers.Sequence(
            [
                normalizers.Replace("``", '"'),
                normalizers.NFKD(),
                normalizers.StripAccents(),
                normalizers.Lowercase(),
                normalizers.Strip(left=False),
                normalizers.Replace(Regex(" {2,}"), "▁"),
            ]
        )
    },
}


@pytest.mark.parametrize("kind", METASPACES)
@given(batches=st.lists(TEXTS, min_size=1, max_size=2))
@example([["a\u3164 b", "x\u00a0 y", "a\x7f b", "a\u200b  b", "a `` b", "é \u0301 c", " a", "a  "]])
def test_words_of_metaspace_have_the_ids_and_places_of_tokenizers(unigrams, kind, batches):
    plain, fast = unigrams[kind]
    for batch in batches:
        column = pa.array(batch, pa.string())
        wanted, found = plain.encode(column), fast.encode(column)
        assert found.ids.tolist() == wanted.ids.tolist()
        assert found.ends.tolist() == wanted.ends.tolist()
        places = [proof.characters(one, column).tolist() for one in (found, wanted)]
        assert places[0] == places[1]


@pytest.fixture(scope="module")
def unigrams() -> dict[str, tuple[encoders.Encoder, encoders.Encoder]]:
    own = unigram()
    return {
        kind: (
            encoders.make("tokenizers", changed(own, **parts)),
            encoders.make("words", changed(own, **parts)),
        )
        for kind, parts in METASPACES.items()
    }


def test_words_of_metaspace_are_refused_where_they_are_not_certain():
    own = unigram()
    strips = normalizers.Strip(left=True)
    split = pre_tokenizers.Metaspace(split=False)
    first = pre_tokenizers.Metaspace(prepend_scheme="first")
    for one in (
        changed(own, normalizer=strips),
        changed(own, pre_tokenizer=split),
        changed(own, pre_tokenizer=first),
    ):
        with pytest.raises(UnfitError, match="no rule of words for pre-tokenizer Metaspace"):
            encoders.make("words", one)


@pytest.mark.parametrize("kind", ["uncased", "cased", "accents kept", "Han in words", "unigram"])
def test_ids_and_words_are_right_on_real_text_in_all_languages(real_data, kind):
    with gzip.open(real_data / "langid" / "udhr.jsonl.gz", "rt", encoding="utf-8") as file:
        real = [" ".join(json.loads(line)["text"][:1500].split()) for line in file]
    if kind == "unigram":
        own = unigram()
    else:
        folder = real_data / "models" / "bert-base-uncased-vocab"
        table = json.loads((folder / "tokenizer.json").read_text())
        table["normalizer"] |= {
            "cased": {"lowercase": False},
            "accents kept": {"strip_accents": False},
            "Han in words": {"handle_chinese_chars": False},
        }.get(kind, {})
        own = tokenizer.load(json.dumps(table).encode())
    column = pa.array(real, pa.string())
    fast = encoders.make("words", changed(own))
    found = fast.encode(column)
    wanted = encoders.make("tokenizers", changed(own)).encode(column)
    assert found.ids.tolist() == wanted.ids.tolist()
    assert proof.characters(found, column).tolist() == proof.characters(wanted, column).tolist()
    unspaced = codepoints.tables().kinds & codepoints.UNSPACED
    breaks = tokens.find_breaks(column, found)
    for number, text in enumerate(real):
        # What BERT drops and what it cuts off on both sides would count, too.
        if not any(unspaced[ord(char)] or unicodedata.category(char) == "Cf" for char in text):
            own_breaks = breaks[found.ends[number] : found.ends[number + 1]]
            assert (own_breaks >= tokens.WORD).sum() == len(text.split()), text[:60]


def test_what_is_not_certain_to_be_equal_is_refused(bpe, wordpiece):
    lower = changed(bpe, normalizer=normalizers.Lowercase())
    with pytest.raises(UnfitError, match="no rule of words for pre-tokenizer ByteLevel, normali"):
        encoders.make("words", lower)
    with pytest.raises(UnfitError, match="no byte-level BPE"):
        encoders.make("gigatoken", wordpiece)


@needs_gigatoken
def test_an_encoder_that_differs_is_found_out_and_named(bpe):
    # gigatoken cuts words all the same where this pre-tokenizer does not.
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    data = tokenizer.files(changed(bpe, pre_tokenizer=whole))["tokenizer.json"]
    decision = proof.decide(texts(2), data, list(encoders.PREFERRED))
    assert decision.encoder == "tokenizers"
    assert decision.refused["gigatoken"].startswith("token ")
    assert "differs from that of tokenizers in a text of" in decision.refused["gigatoken"]


def test_the_fastest_that_is_equal_is_chosen_and_the_proof_says_on_what(bpe, wordpiece):
    data = tokenizer.files(bpe)["tokenizer.json"]
    decisions = [proof.decide(texts(3), data, [name, "tokenizers"]) for name in ("words",)]
    if HAS_GIGATOKEN:
        decisions.append(proof.decide(texts(3), data, list(encoders.PREFERRED)))
        assert decisions[-1].encoder == "gigatoken"
        assert decisions[-1].version == encoders.installed()["gigatoken"]
    assert decisions[0].encoder == "words"
    assert decisions[0].num_documents == 3 + len(proof.probes(bpe))
    assert len({(one.num_tokens, one.ids_sha256) for one in decisions}) == 1
    other = proof.decide(texts(4), data, ["tokenizers"])
    assert other.ids_sha256 != decisions[0].ids_sha256
    found = proof.decide(
        texts(3), tokenizer.files(wordpiece)["tokenizer.json"], list(encoders.PREFERRED)
    )
    assert (found.encoder, list(found.refused)) == ("words", ["gigatoken"])


def test_what_a_normal_form_changes_is_placed_by_tokenizers(bpe):
    if not HAS_GIGATOKEN:
        pytest.skip("gigatoken is not installed")
    own = changed(bpe, normalizer=normalizers.NFC())
    column = pa.array(["cafe\u0301 and the river", "the stone"], pa.string())
    found = encoders.make("gigatoken", own).encode(column)
    assert_equal(found, Plain(own).encode(column))
    assert np.array_equal(found.begins[: found.ends[1]], np.sort(found.begins[: found.ends[1]]))


@needs_gigatoken
def test_a_space_put_before_a_text_is_no_reason_to_ask_tokenizers(bpe, monkeypatch):
    own = spaced(bpe)
    column = pa.array([*texts(3), " begins with one", "", "\ttab", "é", "x"], pa.string())
    wanted = Plain(own).encode(column)
    fast = encoders.make("gigatoken", own)
    # Whoever asks it now fails.
    monkeypatch.setattr(Plain, "encode", None)
    assert_equal(fast.encode(column), wanted)


@needs_gigatoken
def test_gigatoken_cuts_as_tokenizers_around_every_character_that_python_knows():
    import gigatoken

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    chars = codepoints._known()
    for at in range(0, len(chars), 4096):
        text = "".join(f"\na{c}b1{c}2!{c}? {c}" for c in chars[at : at + 4096])
        theirs = [end - begin for _, (begin, end) in byte_level.pre_tokenize_str(text)]
        assert [len(piece.decode()) for piece in gigatoken.pretokenizer(text.encode())] == theirs


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


def test_the_proof_is_of_few_parts_of_each_source_whatever_their_order():
    inputs = [
        {
            "name": f"{source}-{number}",
            "url": f"{source}/{number}",
            "fates": f"fates/{source}/{number}",
            "content": f"{source} {number}",
            "fates_content": "",
            "source": source,
            "num_rows": number,
            "num_bytes": 1_000_000 * number,
        }
        for source, num in (("books", 3), ("news", 40))
        for number in range(num)
    ]
    common = {
        "vocabulary": {"digest": "0", "url": "t", "special": {"[UNK]": 1}},
        "libraries": {"tokenizers": "1"},
    }
    (part,) = proof.plan({}, inputs=inputs, **common)
    (again,) = proof.plan({}, inputs=inputs[::-1], **common)
    assert again == part
    drawn = [source for _, _, source in part.inputs["parts"]]
    assert drawn == ["books"] * 2 + ["news"] * 4  # a part without documents has nothing to draw
    assert part.inputs["candidates"] == ["words", "tokenizers"]
    assert 0 < part.inputs["shares"]["news"] < part.inputs["shares"]["books"] < 1
    # Another version of an encoder is another proof.
    other = {**common, "libraries": {"tokenizers": "1", "gigatoken": "2"}}
    (fast,) = proof.plan({}, inputs=inputs, **other)
    assert fast.inputs["candidates"] == ["gigatoken", "words", "tokenizers"]
    assert fast.fingerprint != part.fingerprint


def test_a_worker_without_the_planned_encoder_is_refused():
    with pytest.raises(ValueError, match=r"no-such-encoder not installed \(planned with 1.0\)"):
        flow.refuse_other({"no-such-encoder": "1.0"})
