"""Encoding decodes back, and cuts lose nothing and fall where they may."""

import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from corpus import schemas
from pipeline import tokenizer, tokens


@pytest.fixture(scope="module")
def trained(request) -> Tokenizer:
    from itertools import islice

    rng = random.Random(1)
    words = ["river", "stone", "bridge", "harvest", "engine", "and", "the", "of"]
    texts = [" ".join(rng.choice(words) for _ in range(30)) + ". " for _ in range(50)]
    fresh, trainer = tokenizer._untrained(vocabulary=320)
    fresh.train_from_iterator(islice(texts, 50), trainer)
    return fresh


@given(ids=st.integers(0, 200), sentences=st.sets(st.integers(1, 199)), limit=st.integers(2, 40))
def test_pieces_are_the_document(ids, sentences, limit):
    document = tokens.Encoded(
        ids=np.arange(ids, dtype=np.uint32),
        sentence_starts=sorted(at for at in sentences if at < ids),
        word_starts=[at for at in range(1, ids) if at % 3 == 0 or at in sentences],
    )
    pieces = tokens.cut(document, limit=limit)
    flat = [i for begin, end in pieces for i in range(begin, end)]
    assert flat == list(range(ids))
    assert all(0 < end - begin <= limit for begin, end in pieces)
    allowed = {*document.sentence_starts, *document.word_starts}
    for begin, end in pieces[:-1]:
        # Inside a word only where no word ends within the limit.
        assert end in allowed or not [at for at in allowed if begin < at <= begin + limit]


def test_a_long_document_is_cut_at_ends_of_sentences(trained):
    text = " ".join("The river and the stone of the bridge." for _ in range(40))
    (document,) = tokens.encode([text], trained)
    pieces = [
        trained.decode(document.ids[begin:end].tolist())
        for begin, end in tokens.cut(document, limit=120)
    ]
    assert "".join(pieces) == text
    assert all(piece.rstrip().endswith("bridge.") for piece in pieces)
    assert len(pieces) > 2


@given(st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_encoding_decodes_back(texts):
    from tokenizers import models  # a byte-level model without merges: every text is known

    fresh, _ = tokenizer._untrained(vocabulary=320)
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = {token: i for i, token in enumerate(sorted(ByteLevel.alphabet()))}
    fresh.model = models.BPE(vocab=alphabet, merges=[])
    for text, encoded in zip(texts, tokens.encode(texts, fresh), strict=True):
        assert fresh.decode(encoded.ids.tolist(), skip_special_tokens=False) == text


def test_the_trained_tokenizer_loads_with_its_special_tokens(trained, tmp_path):
    for name, data in tokenizer.files(trained).items():
        (tmp_path / name).write_bytes(data)
    assert tokenizer.special_tokens(trained, path="x")["[MASK]"] == "[MASK]"
    again = tokenizer.load((tmp_path / "tokenizer.json").read_bytes())
    assert again.encode("the river").tokens[0] == "[CLS]"
    # The piece that [MASK] hides begins with its space, so the mask takes the space along.
    masked = again.encode("the [MASK] of", add_special_tokens=False)
    assert masked.ids.count(4) == 1
    assert "Ġ" not in masked.tokens
    assert [again.token_to_id(name) for name in tokenizer.SPECIAL_TOKENS] == [0, 1, 2, 3, 4]


def test_a_special_token_in_the_text_is_text(trained, tmp_path):
    from pipeline import shards
    from pipeline.flow import Output, Part

    text = "The river [SEP] and the [MASK] stone of [PAD] the bridge."
    documents, fates = tmp_path / "d.parquet", tmp_path / "f.parquet"
    pq.write_table(pa.table({"id": [1], "key": ["1"], "title": ["t"], "text": [text]}), documents)
    none = pa.array([[]], schemas.FATES.field("cuts").type)
    pq.write_table(pa.table({"id": [1], "subset": ["train"], "cuts": none}), fates)
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.files(trained)["tokenizer.json"])
    part = Part(
        name="p",
        fingerprint="0",
        inputs={
            "documents": str(documents),
            "fates": str(fates),
            "tokenizer": str(tmp_path / "tokenizer.json"),
            "special": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4},
            "seed": 0,
            "source": "wiki",
            "bins": {"train": 1},
            "layout": [[128, "train", 0]],
        },
    )
    shards.write_tokens(part, Output(url=str(tmp_path / "out")))
    rows = pa.ipc.open_file(str(tmp_path / "out" / "p.arrow")).read_all()
    ids = rows["ids"][0].as_py()
    assert (ids[0], ids[-1]) == (2, 3)
    assert not {0, 1, 2, 3, 4} & set(ids[1:-1])
    assert trained.decode(ids[1:-1]) == text
