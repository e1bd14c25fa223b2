"""A vocabulary is a function of the text, and loads where others load theirs."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from transformers import AutoTokenizer

from pipeline import tokenizer
from pipeline.encoding import tokenizer_sample, vocabularies

TRAIN = """
import hashlib, random
from pipeline.encoding import tokenizer_sample, vocabularies
rng = random.Random(3)
# Ties in plenty: every made-up word is as frequent as many others.
made_up = ["".join(rng.sample("abcdefghijklmnopqrstuvwxyzéüñßłøæ", 6)) for _ in range(600)]
texts = [" ".join(rng.sample(made_up, 60)) for _ in range(80)]
for train in (
    lambda: vocabularies.train_bpe(lambda: iter(texts), vocabulary=1024),
    lambda: vocabularies.train_wordpiece(lambda: iter(texts), vocabulary=1024, lowercase=True),
):
    made = train()
    assert made.get_vocab_size() == 1024
    print(hashlib.sha256(made.to_str().encode()).hexdigest())
"""


def test_other_processes_and_threads_train_the_same_bytes():
    found = set()
    for num_threads in ("1", "2", "2"):
        env = {**os.environ, "RAYON_NUM_THREADS": num_threads}
        env["TOKENIZERS_PARALLELISM"] = "true" if num_threads == "2" else "false"
        command = [sys.executable, "-c", TRAIN]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


TEXTS = ["The river, the RIVERS and the naïve bridge. " * 3, "Don't cross 12 bridges (again)!"]


@pytest.mark.parametrize("kind", ["bpe", "uncased", "cased"])
def test_transformers_loads_it_and_gives_the_same_ids(tmp_path, kind):
    texts = TEXTS * 40
    if kind == "bpe":
        own = vocabularies.train_bpe(lambda: iter(texts), vocabulary=320)
    else:
        own = vocabularies.train_wordpiece(
            lambda: iter(texts), vocabulary=128, lowercase=kind == "uncased"
        )
    for name, data in tokenizer.files(own).items():
        (tmp_path / name).write_bytes(data)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    again = tokenizer.load((tmp_path / "tokenizer.json").read_bytes())
    for text in TEXTS:
        assert theirs(text)["input_ids"] == again.encode(text).ids
        assert theirs(text)["input_ids"][0] == theirs.cls_token_id == 2
    assert theirs.mask_token_id == 4
    assert len(theirs("the [MASK] river")["input_ids"]) == len(theirs("the river")["input_ids"]) + 1


def test_a_wordpiece_vocabulary_has_its_specials_first_and_only_them_special():
    own = vocabularies.train_wordpiece(lambda: iter(TEXTS * 9), vocabulary=128, lowercase=True)
    table = json.loads(own.to_str())
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert [token["content"] for token in table["added_tokens"]] == specials
    assert sorted(table["model"]["vocab"], key=table["model"]["vocab"].get)[:5] == specials
    assert own.encode("RIVER", add_special_tokens=False).tokens == ["river"]
    assert own.encode("naïve", add_special_tokens=False).tokens == ["naive"]
    # Signs stand alone, so none goes on a word.
    assert "##." not in table["model"]["vocab"]


def test_the_rarest_characters_are_unknown_and_ties_go_by_their_number():
    rare = "".join(map(chr, range(0x400, 0x460)))
    own = vocabularies.train_wordpiece(
        lambda: iter(["abcabc" * 40, " ".join(rare)]), vocabulary=320, lowercase=False
    )
    assert vocabularies.alphabet_size(320) == 80
    known = {char for char in rare if char in own.get_vocab()}
    assert known == set(rare[: vocabularies.alphabet_size(320) - 3])


def test_a_vocabulary_of_many_han_characters_has_nearly_all_of_them():
    # The character number n is as frequent as 1 / n, as characters are in Chinese.
    han = "".join(chr(0x4E00 + n) * (6000 // (n + 1)) for n in range(3000))
    own = vocabularies.train_wordpiece(lambda: iter([han]), vocabulary=8192, lowercase=False)
    vocabulary = own.get_vocab()
    num = len(set(han) & set(vocabulary))
    assert vocabularies.alphabet_size(8192) < num < 8192 // 2
    unknown = [char for char in han if char not in vocabulary]
    assert len(unknown) <= 0.0002 * len(han)
    # Each stands alone, as BERT's rules have it.
    assert own.encode(han[:9], add_special_tokens=False).tokens == list(han[:9])


ROWS = [(source, {"id": number * 7919 + len(source)}) for source, num in
        (("large", 3000), ("small", 40), ("few", 2)) for number in range(num)]  # fmt: skip


def test_the_sample_has_all_sources_whatever_the_order():
    kept = {"large": 3_000_000_000, "small": 4_000_000, "few": 2_000_000_000}
    shares = tokenizer_sample.shares(kept, sample_bytes=500e6)
    assert shares["large"][0] == shares["few"][0] == pytest.approx(500e6 / 5.004e9)
    # All of it: it is less than a hundredth of the sample.
    assert shares["small"] == (1.0, pytest.approx(1 / 3))
    drawn = list(tokenizer_sample.draw(ROWS, shares))
    counts = Counter(source for source, _, _ in drawn)
    assert 200 < counts["large"] < 400
    assert counts["small"] == 40
    # Of two documents none may be drawn by its hash.
    assert counts["few"] >= 1
    again = list(tokenizer_sample.draw(ROWS[::-1], shares))
    assert {row["id"] for _, row, _ in again} == {row["id"] for _, row, _ in drawn}
    assert tokenizer_sample.shares({"all": 10}, sample_bytes=1e6) == {"all": (1.0, 1.0)}


def test_a_source_of_which_nothing_is_drawn_gives_the_document_with_the_lowest_hash():
    none = {"large": (0.0, 0.0), "small": (0.0, 0.0), "few": (0.0, 0.0)}
    drawn = list(tokenizer_sample.draw(ROWS, none))
    assert [(source, is_checked) for source, _, is_checked in drawn] == [
        ("few", True), ("large", True), ("small", True),
    ]  # fmt: skip
    assert list(tokenizer_sample.draw(ROWS[::-1], none)) == drawn
