"""Whatever the documents and the packing, the rows are sound and hold the text."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import bins, shard_check
from corpus.row_facts import bigram_entropy, entropy
from corpus.sets import File, Manifest, Receipt
from corpus.shards import SHARD_FORMAT, ShardSet
from pipeline import shards
from pipeline.encoding import tokens
from pipeline.packing import layouts, rows, shard_files
from pipeline.running.flow import Output

SPECIAL = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
VOCABULARY = 128
LENGTH = 16


def built(documents: list[list[int]], *, packing: str, subset: str, words: bool = False):
    """Return a set of one shard, its rows, documents and cuts."""
    rng = np.random.default_rng(len(documents))
    texts = pa.table(
        {
            "id": range(1, len(documents) + 1),
            "key": [f"k{n}" for n in range(len(documents))],
            "title": ["t"] * len(documents),
            "url": [f"https://a.example/{n}" for n in range(len(documents))],
            "ids": documents,
            "breaks": [rng.integers(0, 6, len(ids), dtype=np.uint8).tobytes() for ids in documents],
            **({"word_starts": [bytes(n % 2 for n in ids) for ids in documents]} if words else {}),
        },
        schema=rows.texts_schema(is_segmented=words),
    )
    inputs = {
        "row_length": LENGTH,
        "packing": packing,
        "vocabulary": VOCABULARY,
        "special": SPECIAL,
        "subset": subset,
        "seed": 0,
        "target_rate": 0.15,
        "bin": 0,
    }
    shard, table, cuts = rows.build_shard(texts, inputs)
    part = Receipt(
        name="p",
        fingerprint="0",
        files={"p.arrow": File(num_bytes=0, sha256="0")},
        facts={
            "source": "s",
            "subset": subset,
            "row_length": LENGTH,
            "num_rows": shard.num_rows,
            "num_tokens": sum(table["num_tokens"].to_pylist()),
            "num_documents": table.num_rows,
            **({"segmenter": "test"} if words else {}),
        },
    )
    facts = {
        "shard_format": SHARD_FORMAT,
        "special_ids": list(SPECIAL.values()),
        "tokenizer_digest": "0",
        "vocabulary": VOCABULARY,
        "special_tokens": SPECIAL,
        "packing": packing,
    }
    made = ShardSet(
        "memory",
        Manifest(stage="shards", id="0", identity={}, counts={}, parts=(part,), facts=facts),
    )
    return made, shard, table, cuts


texts = st.lists(st.lists(st.integers(5, VOCABULARY - 1), max_size=60), max_size=8)


@pytest.mark.parametrize("packing", layouts.LAYOUTS)
@given(documents=texts, subset=st.sampled_from(["train", "held_out"]))
def test_rows_are_sound_and_hold_every_token(packing, documents, subset):
    made, shard, table, cuts = built(documents, packing=packing, subset=subset)
    unigram = rows.unigram(shard, vocabulary=VOCABULARY, special=SPECIAL)
    stored = pa.Table.from_batches([shard])
    assert list(shard_check.faults(made, made.shards[0], stored, table, unigram)) == []
    kept = [ids for ids in documents if ids]
    expected = np.bincount([i for ids in kept for i in ids], minlength=VOCABULARY)
    np.testing.assert_array_equal(unigram, expected)
    assert table.num_rows == len(kept)
    num_pieces = sum(len(pieces) for pieces in stored["pieces"].to_pylist())
    assert sum(cuts.values()) == num_pieces - len(kept)
    # The address of a document stands beside its rows.
    assert all(
        url.rsplit("/", 1)[1] == key[1:]
        for url, key in zip(table["url"].to_pylist(), table["key"].to_pylist(), strict=True)
    )


@pytest.mark.parametrize("vocabulary", [1 << 16, (1 << 16) + 1, 250_112, 1 << 20])
@pytest.mark.parametrize("row_length", [128, 512, 1024, 2048, 4096, 8192])
def test_every_row_length_holds_every_vocabulary(tmp_path, row_length, vocabulary):
    """Written as the stage does and read as a trainer does: ids of two bytes and of four."""
    rng = np.random.default_rng(row_length)
    sizes = [1, 7, row_length // 3, row_length - 2, row_length - 1, 3 * row_length]
    documents = [rng.integers(5, vocabulary, size) for size in sizes]
    documents[-1][:2] = vocabulary - 1, (1 << 16) - 1
    texts = pa.table(
        {
            "id": range(1, len(documents) + 1),
            **{name: [""] * len(documents) for name in ("key", "title", "url")},
            "ids": documents,
            "breaks": [bytes([tokens.WORD]) * len(ids) for ids in documents],
        },
        schema=rows.texts_schema(is_segmented=False),
    )
    inputs = {"row_length": row_length, "packing": "best_fit", "vocabulary": vocabulary,
              "special": SPECIAL, "source": "s", "subset": "held_out", "seed": 0,
              "target_rate": 0.15, "bin": 0, "segmenter": None}  # fmt: skip
    shard, table, _ = rows.build_shard(texts, inputs)
    output = Output(url=str(tmp_path))
    shard_files.write("p", shard, table, inputs, output)
    part = Receipt(
        name="p", fingerprint="0", files=output.files, facts=output.facts, counts=output.counts
    )
    facts = {
        "shard_format": SHARD_FORMAT,
        "special_ids": list(SPECIAL.values()),
        "tokenizer_digest": "0",
        "vocabulary": vocabulary,
        "special_tokens": SPECIAL,
    }
    made = ShardSet(
        str(tmp_path),
        Manifest(stage="shards", id="0", identity={}, counts={}, parts=(part,), facts=facts),
    )
    (one,) = made.shards
    stored = made.table(one)
    width = 2 if vocabulary <= 1 << 16 else 4
    assert stored.schema.field("input_ids").type.value_type.bit_width == 8 * width
    assert list(shard_check.faults(made, one, stored, table, made.shard_unigram(one))) == []
    batch = made.rows("s", "held_out", row_length).take(np.arange(one.num_rows)[::-1])
    assert np.array_equal(
        batch.input_ids[::-1].reshape(-1), shard.column("input_ids").flatten().to_numpy()
    )
    found = np.sort(batch.input_ids[batch.input_ids >= len(SPECIAL)])
    assert np.array_equal(found, np.sort(np.concatenate(documents)))
    # Beside the ids: pieces, targets and what Arrow puts around.
    assert one.num_bytes < batch.input_ids.size * (width + 0.5) + 8192


@pytest.mark.parametrize("packing", layouts.LAYOUTS)
@given(documents=texts, subset=st.sampled_from(["train", "held_out"]))
def test_rows_say_which_of_their_tokens_begin_a_word(packing, documents, subset):
    _, plain, _, _ = built(documents, packing=packing, subset=subset)
    made, shard, table, _ = built(documents, packing=packing, subset=subset, words=True)
    stored = pa.Table.from_batches([shard])
    assert stored.drop_columns(["word_starts"]).equals(pa.Table.from_batches([plain]))
    listed = stored.to_pylist()
    for row in listed:
        assert row["word_starts"] == [token > 4 and token % 2 == 1 for token in row["input_ids"]]
    unigram = rows.unigram(shard, vocabulary=VOCABULARY, special=SPECIAL)
    assert list(shard_check.faults(made, made.shards[0], stored, table, unigram)) == []
    if listed:
        digest = shard_check.row_digest(stored, table)
        assert digest != shard_check.row_digest(plain, table)
        # Every row begins with [CLS], which no word does.
        listed[0]["word_starts"][0] = True
        broken = pa.Table.from_pylist(listed, schema=stored.schema)
        found = list(shard_check.faults(made, made.shards[0], broken, table, unigram))
        assert found == ["row 0 has a word that begins with [CLS], [SEP] or [PAD]"]
        assert digest != shard_check.row_digest(broken, table)


def test_the_bigram_entropy_is_that_of_the_definition():
    # 5 is followed by 6 or 7, 6 and 7 always by 5: only the token behind 5 is open.
    made, shard, _, _ = built([[5, 6, 5, 7], [5, 7, 5, 6]], packing="doc", subset="train")
    assert made.shards[0].num_rows == 2
    ids = shard.column("input_ids").flatten().to_numpy().reshape(2, LENGTH)
    special = SPECIAL.values()
    assert bigram_entropy(ids, special=special) == pytest.approx(4 / 6 * np.log(2), abs=1e-6)
    assert entropy(np.array([3, 0, 3])) == pytest.approx(np.log(2))
    assert bigram_entropy(ids[:0], special=special) == 0


def test_a_shard_has_a_number_for_every_document():
    many = pa.table(
        {name: [1 if name == "id" else ""] * 65_537 for name in ("id", "key", "title", "url")}
        | {"ids": [[5]] * 65_537, "breaks": [b"\0"] * 65_537},
        schema=rows.TEXTS,
    )
    with pytest.raises(ValueError, match=r"65,537 documents, .* lower shards.bin_mb"):
        rows.build_shard(many, {"row_length": LENGTH, "special": SPECIAL})


def test_there_are_bins_enough_for_the_bytes_and_for_the_documents():
    def found(num_bytes: int, num_documents: int) -> int:
        counts = {
            "num_bytes s kept train": num_bytes,
            "num_documents s kept train": num_documents,
            "num_documents s dropped min_words": 10**9,
            "num_bytes s in": 10**12,
        }
        return bins.num_bins(counts, bin_mb=64)["s"]["train"]

    assert [found(64_000_000, 1), found(64_000_001, 1)] == [1, 2]
    assert [found(1, 49_152), found(1, 49_153), found(200_000_000, 50_000)] == [1, 2, 4]


def plan(
    *,
    row_lengths: list[int],
    packing: str = "best_fit",
    encoder: str = "words",
    cut_by: dict[str, dict[str, str]] | None = None,
) -> tuple[set[str], set[str]]:
    """Return the fingerprints of the tokens parts and of the shards."""
    common = {
        "inputs": [
            {
                "name": "a",
                "source": "s",
                "content": "1",
                "fates_content": "2",
                "url": "u",
                "fates": "f",
                "num_bytes": 9,
            }
        ],
        "section": {
            "row_lengths": row_lengths,
            "packing": packing,
            "target_rate": 0.15,
            "seed": 0,
        },
        "bins": {"s": {"train": 2, "held_out": 1}},
        "vocabulary": {"size": VOCABULARY, "special": SPECIAL, "digest": "0", "url": "t"},
        "libraries": {},
        "cut_by": cut_by or {},
        "url": "set",
    }
    decided = Receipt(
        name="encoder",
        fingerprint="0",
        files={},
        counts={},
        facts={"encoder": encoder, "version": "1"},
    )
    encoded = shards._plan_tokens({"encoder": [decided]}, **common)
    receipt = Receipt(
        name="a",
        fingerprint="0",
        files={"a.arrow": File(num_bytes=0, sha256="0")},
        counts={"num_bytes": 9},
        facts={"source": "s"},
    )
    packed = shards._plan_parts({"tokens": [receipt]}, **common)
    assert len({part.name for part in packed}) == len(packed)
    return {part.fingerprint for part in encoded}, {part.fingerprint for part in packed}


def test_a_new_row_length_or_packing_encodes_nothing_again():
    encoded, packed = plan(row_lengths=[64])
    more_encoded, more_packed = plan(row_lengths=[32, 64])
    assert more_encoded == encoded
    assert packed < more_packed
    assert len(more_packed) == 2 * len(packed) == 6
    other_encoded, other_packed = plan(row_lengths=[64], packing="concat")
    assert other_encoded == encoded
    assert not other_packed & packed


def test_another_encoder_encodes_again_and_packs_again_only_what_is_other():
    encoded, packed = plan(row_lengths=[64])
    other_encoded, other_packed = plan(row_lengths=[64], encoder="gigatoken")
    assert not other_encoded & encoded
    # The receipt of the tokens has the same digests here, so their rows are the same.
    assert other_packed == packed


def test_only_a_source_with_a_segmenter_depends_on_its_version():
    def found(**versions: str) -> tuple[set[str], set[str]]:
        cut_by = {name: {"name": "icu", "icu": icu} for name, icu in versions.items()}
        return plan(row_lengths=[64], cut_by=cut_by)

    assert found(other="78.3") == found() == plan(row_lengths=[64])
    for one, other in zip(found(s="78.3"), found(s="79.1"), strict=True):
        assert not one & other
    assert not found(s="78.3")[0] & found()[0]
