"""Words follow from the vocabulary; what is special or stands nowhere is no ordinary token."""

import json
import re
import unicodedata
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus.shards import ShardSet
from tests.conftest import REAL_DATA
from train import kernels, mask, vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = [
    'The miller\'s grain (see "flour") cost 1,250 francs in 1887; naïve bakers über-paid.',
    "Зерно мельника стоило дорого. Der Bäcker verkauft Brötchen.",
    "磨坊主卖面粉，面包师买小麦。日本語の文章です。ข้าวและขนมปัง",
    "Emoji 🌾🍞 stand between words.",
]


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return tokenizer


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def metaspace() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def words(tokenizer: Tokenizer, text: str) -> Iterator[str]:
    """Yield the text of each word that the flags find."""
    table = json.loads(tokenizer.to_str())
    flags = vocabulary.word_flags(table, size=tokenizer.get_vocab_size())
    encoding = tokenizer.encode(text)
    begin = 0
    for n in range(1, len(encoding.ids) + 1):
        ends = n == len(encoding.ids) or flags[encoding.ids[n]] & kernels.WORD_START
        if ends or not flags[encoding.ids[n - 1]] & kernels.WORD_OPEN:
            yield text[encoding.offsets[begin][0] : encoding.offsets[n - 1][1]].strip()
            begin = n


@pytest.mark.parametrize("make", [byte_level, wordpiece, metaspace])
@pytest.mark.parametrize("text", [TEXTS[0], TEXTS[1], TEXTS[3]])
def test_words_of_scripts_with_spaces_are_what_a_reader_calls_words(make, text) -> None:
    tokenizer = make()
    found = [word for word in words(tokenizer, text) if re.search(r"\w", word)]
    # Signs at a word's edge may be of the same token ("-paid"), never two words.
    cut = [re.sub(r"^\W+|\W+$", "", word) for word in found]
    assert cut == re.findall(r"\w+", text)


def test_signs_are_words_of_their_own() -> None:
    found = list(words(byte_level(), '(see "flour")'))
    assert "".join(found).replace(" ", "") == '(see"flour")'
    assert "see" in found
    assert "flour" in found


@pytest.mark.parametrize("make", [byte_level, metaspace])
def test_in_scripts_without_spaces_no_word_is_longer_than_a_token(make) -> None:
    tokenizer = make()
    text = "磨坊主卖面粉面包师买小麦日本語の文章です"
    found = list(words(tokenizer, text))
    longest = max(len(tokenizer.decode([n])) for n in set(tokenizer.encode(text).ids))
    assert max(map(len, found)) <= longest + 1  # a character that tokens cut stays whole
    assert len(found) > len(text) / (longest + 1)


def test_characters_that_tokens_cut_stay_whole() -> None:
    tokenizer = Tokenizer.from_str(byte_level().to_str())
    text = "ab🌾cd łódź"
    found = list(words(tokenizer, text))
    assert all("\ufffd" not in word for word in found)
    assert "łódź" in found
    assert any("🌾" in word for word in found)


MARKED = ["น้ำใสที่บ้าน", "ຕຳຫຼວດ", "ខ្ញុំទៅផ្សារ", "ကျွန်တော်", "cafe\u0301s", "✈\ufe0f", "می\u200cخواهم"]


@pytest.mark.parametrize("is_bytes", [True, False])
@pytest.mark.parametrize("text", MARKED)
def test_no_token_that_begins_with_a_mark_begins_a_word(text, is_bytes) -> None:
    alphabet = {byte: char for char, byte in vocabulary._byte_of().items()}
    # A token for each character, the hardest case.
    spelled = ["".join(alphabet[byte] for byte in c.encode()) if is_bytes else c for c in text]
    tokens = sorted(set(spelled))
    vocab = {token: n for n, token in enumerate(tokens)}
    table = {
        "model": {"type": "BPE", "vocab": vocab} if is_bytes else {"vocab": list(vocab.items())},
        "decoder": {"type": "ByteLevel" if is_bytes else "Metaspace"},
    }
    words = vocabulary.word_flags(table, size=len(tokens))
    known = mask.Vocabulary(size=len(tokens), mask_id=0, special_ids=(), words=words)
    starts = mask.word_starts(np.array([[vocab[token] for token in spelled]]), known)[0]
    for char, is_start in zip(text, starts.tolist(), strict=True):
        is_mark = unicodedata.category(char)[0] == "M" or char in "\u0e33\u0eb3\u200c"
        assert not (is_mark and is_start)
        # Thai, Lao, Khmer and Burmese letters are words of their own.
        assert is_start or is_mark or char in "afesمیخواهم"


def test_what_is_special_or_stands_nowhere_is_not_ordinary(many_shards) -> None:
    shards = ShardSet.open(str(many_shards))
    made = vocabulary.of_shards(shards, words=True)
    tokenizer = Tokenizer.from_str(shards.tokenizer_files()["tokenizer.json"].decode())
    # The set's vocabulary is rounded up; ids behind the tokenizer's have no token.
    known = np.arange(shards.vocabulary) < tokenizer.get_vocab_size()
    known[:5] = False
    assert np.array_equal(made.ordinary(), known)
    assert made.words is not None
    assert (made.words & kernels.WORD_START).any()


def test_another_tokenizer_is_refused(many_shards) -> None:
    shards = ShardSet.open(str(many_shards))
    shards.tokenizer_digest = "0" * 64
    with pytest.raises(ValueError, match=r"tokenizer\.json: not the tokenizer"):
        vocabulary.of_shards(shards, words=False)


def one_by_one(table: dict, *, size: int) -> np.ndarray:
    """Apply the rule of words to each token by itself: what `word_flags` must give."""
    is_bytes = "ByteLevel" in json.dumps([table.get("decoder"), table.get("pre_tokenizer")])
    model, flags = table["model"], np.zeros(size, dtype=np.uint8)
    vocab = model["vocab"]
    known = vocab.items() if isinstance(vocab, dict) else ((e[0], n) for n, e in enumerate(vocab))
    known = [*known, *((entry["content"], entry["id"]) for entry in table["added_tokens"])]
    for token, number in known:
        if model["type"] == "WordPiece":
            starts, opens = not token.startswith("##"), True
        else:
            starts, opens = vocabulary._edges(vocabulary._bytes_of(token, is_bytes=is_bytes))
        if number < size:
            flags[number] = starts * kernels.WORD_START + opens * kernels.WORD_OPEN
            plain = token if model["type"] == "WordPiece" else None
            text = plain or vocabulary._bytes_of(token, is_bytes=is_bytes).decode(
                "utf-8", "replace"
            )
            if text and (
                unicodedata.category(text[0])[0] == "M" or text[0] in "\u0e33\u0eb3\u200c\u200d"
            ):
                flags[number] = opens * kernels.WORD_OPEN + kernels.WORD_INSIDE
    return flags


def bytes_of_text() -> Tokenizer:
    """Return a tokenizer like GPT-2's, of many scripts: its tokens begin and end anywhere."""
    tokenizer = byte_level()
    trainer = trainers.BpeTrainer(
        vocab_size=3000,
        special_tokens=[*SPECIAL, "<|endoftext|>", " a b", "\u00e9\u4e2d"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    spans = [(0x20, 0x250), (0x400, 0x500), (0x900, 0x980), (0xE00, 0xE60), (0x4E00, 0x4F00)]
    spans += [(0xAC00, 0xAC80), (0xD780, 0xD7A0), (0xFFF0, 0xFFFE), (0x1F600, 0x1F640)]
    spans += [(0x20000, 0x20020), (0x10FFF0, 0x110000)]
    characters = [chr(code) for span in spans for code in range(*span)]
    rng = np.random.default_rng(3)
    texts = ["".join(rng.choice(characters, 6)) + " " + character for character in characters]
    tokenizer.train_from_iterator(texts * 2, trainer)
    return tokenizer


def with_byte_tokens() -> Tokenizer:
    """Return a tokenizer like Llama's: characters, and bytes for those that it does not know."""
    vocab = {f"<0x{byte:02X}>": byte for byte in range(256)}
    pieces = [
        "\u2581",
        "\u2581the",
        "mill",
        "er",
        "<",
        "<0x",
        "<0xE3>a",
        "\u4e2d",
        "\ufffd",
        "a\u0301",
    ]
    vocab |= {piece: 256 + number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab, [], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


@pytest.mark.parametrize(
    "make", [byte_level, bytes_of_text, wordpiece, metaspace, with_byte_tokens]
)
def test_every_token_has_the_flags_of_the_rule(make) -> None:
    content = make().to_str()
    check_flags(content.encode())


def check_flags(content: bytes) -> None:
    table = json.loads(content)
    most = len(table["model"]["vocab"]) + len(table["added_tokens"])
    for size in (most + 64, most // 2):
        wanted = one_by_one(table, size=size)
        assert len(set(wanted.tolist())) > 1
        assert np.array_equal(vocabulary.word_flags(table, size=size), wanted)
        parsed = vocabulary.parsed(content)
        assert np.array_equal(vocabulary.word_flags(parsed, size=size), wanted)


def test_every_token_of_bert_has_the_flags_of_the_rule() -> None:
    path = REAL_DATA / "models" / "bert-base-uncased-vocab" / "tokenizer.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    check_flags(path.read_bytes())


LETTERS = (
    "\u0120\u010a a7-<0xE3>\u00e4\u00b8\u0143\u00f0\u0141\u0144\u00ef\u00bf\u00bd\u00c3\u4e2d\u2581"
)


@given(
    st.lists(
        # Letters that spell bytes, also of cut characters, and others that spell none.
        st.text(
            st.sampled_from(LETTERS),
            max_size=6,
        ),
        min_size=1,
        max_size=30,
        unique=True,
    ),
    st.booleans(),
)
def test_any_tokens_have_the_flags_of_the_rule(tokens, is_bytes):
    table = {
        "added_tokens": [],
        "pre_tokenizer": None,
        "decoder": {"type": "ByteLevel" if is_bytes else "Metaspace"},
        "model": {"type": "BPE", "vocab": {token: n for n, token in enumerate(tokens)}},
    }
    found = vocabulary.word_flags(table, size=len(tokens))
    assert np.array_equal(found, one_by_one(table, size=len(tokens)))


MERGES = [["a", "b"]]
REST = {"added_tokens": [{"id": 3, "content": "[X]"}], "pre_tokenizer": None, "decoder": None}


@pytest.mark.parametrize(
    ("table", "is_cut"),
    [
        ({**REST, "model": {"type": "BPE", "vocab": {"a": 0}, "merges": MERGES}}, True),
        ({**REST, "model": {"type": "BPE", "vocab": {"a": 0}, "merges": MERGES, "z": "]"}}, True),
        ({**REST, "model": {"type": "BPE", "vocab": {"merges": 0, 'x"merges': 1}}}, False),
        ({**REST, "model": {"type": "BPE", "vocab": {'"merges": [': 0}, "merges": []}}, True),
        ({**REST, "model": {"type": "BPE", "merges": MERGES, "vocab": {"a": 0}}}, False),
        ({**REST, "model": {"vocab": {"a": 0}, "merges": MERGES, "type": "BPE"}}, False),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": MERGES}, **REST}, False),
        ({**REST, "merges": [], "model": {"type": "BPE", "vocab": {"a": 0}}}, False),
    ],
)
def test_a_tokenizer_is_read_but_for_merges_behind_all_that_is_looked_at(table, is_cut) -> None:
    for indent in (None, 2):
        found = vocabulary.parsed(json.dumps(table, indent=indent).encode())
        if is_cut:
            kept = {name: table["model"][name] for name in ("type", "vocab")}
            assert found == {**table, "model": kept}
        else:
            assert found == table
