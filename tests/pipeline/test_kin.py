"""What `why` says of a document's matches."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from corpus import schemas
from pipeline.asking.kin import matches_of

KINDS = [("exact", ""), ("near", ""), ("earlier_near", "old"), ("contamination", "task")]
ROWS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.integers(1, 4),
        st.sampled_from(KINDS),
        st.integers(0, 9),
    ),
    max_size=20,
)


@given(ROWS, st.integers(1, 4))
def test_each_match_of_a_document_is_named_once_the_most_similar_first(rows, identifier):
    # A pair has one similarity, however often it is stored.
    known = {(a, b, *kind): common for a, b, kind, common in rows}
    stored = [(*key, known[key], 10) for a, b, kind, _ in rows for key in [(a, b, *kind)]]
    columns = list(zip(*stored, strict=True)) or [()] * 6
    found = matches_of(
        pa.table(
            [pa.array(c, f.type) for c, f in zip(columns, schemas.MATCHES, strict=True)],
            schema=schemas.MATCHES,
        ),
        identifier,
    )
    keys = [(row["a"], row["b"], row["kind"], row["corpus"]) for row in found]
    assert sorted(keys) == sorted(
        key
        for key in known
        if key[1] == identifier or (key[0] == identifier and key[2] in ("exact", "near"))
    )
    shares = [row["num_common"] for row in found]
    assert shares == sorted(shares, reverse=True)
