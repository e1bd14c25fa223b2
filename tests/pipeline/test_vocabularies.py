"""A vocabulary is a function of the text, and loads where others load theirs."""

import json
import os
import subprocess
import sys

import pytest
from transformers import AutoTokenizer

from pipeline import tokenizer
from pipeline.encoding import vocabularies

TRAIN = """
import hashlib, random
from pipeline.encoding import vocabularies
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
