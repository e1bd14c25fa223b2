"""The columns of every table on disk, and what they mean.

Parquet for what people query (documents, measures, matches, fates), Arrow IPC for what the GPU
reads (shards). Every table is sorted as its comment says, so its bytes are a function of content.
"""

import pyarrow as pa

ID = pa.uint64()
"""A document's id: `identity.document_id(source, key)`."""

# One row per document, in the order of the input.
DOCUMENTS = pa.schema(
    [
        pa.field("id", ID, nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),  # the native key: page id, row number
        pa.field("title", pa.string(), nullable=False),
        # What the input says of the document; empty where it says nothing.
        pa.field("author", pa.string(), nullable=False),
        pa.field("date", pa.string(), nullable=False),  # ISO 8601 date, or a year
        pa.field("url", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),  # a hint, ISO 639 or BCP 47
        pa.field("text", pa.string(), nullable=False),
        pa.field("num_raw_bytes", pa.int64(), nullable=False),  # before extraction
    ]
)

# Records that were read but are no document; one row each.
REJECTS = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),  # sha256 of the raw file, see digests.json
        pa.field("member", pa.string(), nullable=False),  # name inside an archive
        pa.field("key", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),  # bytes into the decompressed file
        pa.field("num_raw_bytes", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # SKIPPED before it: nothing was wrong
    ]
)
SKIPPED = "skipped: "
COUNTED_ONLY = frozenset(
    {
        *("not_drawn", "redirect", "namespace"),
        *("warcinfo", "request", "metadata", "revisit", "conversion", "continuation", "filedesc"),
        *("unknown_type", "dns"),
    }
)
"""Why a record may be skipped without a row of the rejects: these are told by what they are, or by
the sample, and a dump may hold more of them than of documents."""

# One row per pair, sorted by (a, b). exact and near: two documents of this corpus, a < b, with
# Jaccard similarity >= 0.7. earlier_exact and earlier_near: a is a document of `corpus`, an earlier
# one. contamination: a is an example of `corpus`, a file to evaluate on; num_common of its
# num_union 13-grams stand in b.
MATCHES = pa.schema(
    [
        pa.field("a", ID, nullable=False),
        pa.field("b", ID, nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),  # where a is from; empty: this corpus
        pa.field("num_common", pa.int64(), nullable=False),  # shingles in both
        pa.field("num_union", pa.int64(), nullable=False),  # shingles in either
    ]
)

# The lines that are cut out of a text: one file per documents part of the sources that ask for it,
# sorted by (document in the order of its part, start).
LINES = pa.schema(
    [
        pa.field("id", ID, nullable=False),
        pa.field("start", pa.int64(), nullable=False),  # bytes into the text, UTF-8
        pa.field("end", pa.int64(), nullable=False),  # exclusive, before the line feed
        pa.field("kind", pa.string(), nullable=False),  # boilerplate, or a line rule's name
        pa.field("num_documents", pa.int64(), nullable=False),  # of its group that have the line
    ]
)

SPAN = pa.struct(
    [pa.field("start", pa.int64(), nullable=False), pa.field("end", pa.int64(), nullable=False)]
)

# The ledger: one row per document, in the order of its documents part.
FATES = pa.schema(
    [
        pa.field("id", ID, nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),  # identified; see language.py
        pa.field("subset", pa.string()),  # train | held_out; null when dropped
        pa.field("verdict", pa.string(), nullable=False),  # kept | dropped
        # Which decision dropped it, the first of: language | rules | contamination | earlier |
        # exact | near.
        pa.field("stage", pa.string()),
        pa.field("rule", pa.string()),
        pa.field("value", pa.float64()),  # for people; decisions compare integers
        pa.field("threshold", pa.float64()),
        # The document kept in this one's place; of stage contamination, the example that is in it.
        pa.field("survivor", ID),
        pa.field("corpus", pa.string()),  # where the survivor is; null: in this corpus
        # With the nearest passing document it is matched with (where it is linked through others
        # alone: with the nearest of these), or with the survivor elsewhere.
        pa.field("jaccard", pa.float64()),
        pa.field("cluster_size", pa.int32(), nullable=False),  # its passing documents
        pa.field("num_bytes", pa.int64(), nullable=False),  # of text, before cuts
        # What is cut out of the text before it is used: byte ranges, in order, apart.
        pa.field("cuts", pa.list_(pa.field("item", SPAN, nullable=False)), nullable=False),
        pa.field("num_cut_bytes", pa.int64(), nullable=False),
    ]
)

# One row per document of one shard; `pieces.document` is a row number here.
SHARD_DOCUMENTS = pa.schema(
    [
        pa.field("id", ID, nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),  # empty where the input has none
        pa.field(
            "num_tokens", pa.int64(), nullable=False
        ),  # with the [CLS] and [SEP] of each piece
    ]
)

UNIGRAM = pa.schema([pa.field("count", pa.int64(), nullable=False)])  # by token id, specials as 0

PIECE = pa.struct([pa.field("end", pa.uint16()), pa.field("document", pa.uint16())])
MAX_ROW_LENGTH = (1 << 16) - 1
"""Tokens, so that `pieces.end` and `targets` have 16 bits."""
MAX_DOCUMENTS = 1 << 16
"""Of one shard, so that `pieces.document` has 16 bits."""


def shard_schema(
    *, row_length: int, vocabulary: int, held_out: bool, word_starts: bool = False
) -> pa.Schema:
    """Return the columns of a shard.

    A row is `[CLS] piece [SEP] [CLS] piece [SEP] ... [PAD]*`; a piece is one document or a cut of
    one, and `pieces.end` is the exclusive end of each in the row. (With packing `pair` the second
    piece of a row has no [CLS].) Held-out shards carry the
    positions on which loss is measured, so every experiment is measured on the same ones. Shards of
    a source whose text a segmenter cut into words say which tokens begin one, in a bit a token.
    """
    token = pa.uint16() if vocabulary <= 1 << 16 else pa.uint32()
    fields = [
        pa.field("input_ids", pa.list_(pa.field("item", token, nullable=False), row_length)),
        pa.field("pieces", pa.list_(PIECE), nullable=False),
    ]
    if held_out:
        fields.append(pa.field("targets", pa.list_(pa.uint16()), nullable=False))
    if word_starts:
        bit = pa.field("item", pa.bool_(), nullable=False)
        fields.append(pa.field("word_starts", pa.list_(bit, row_length)))
    return pa.schema(fields)
