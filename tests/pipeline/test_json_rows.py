"""Objects of JSON are found and read as the standard library reads them, in one pass over bytes."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.raw.lines import Line
from pipeline.tables import json_rows


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just('\\"{[}]'),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=8,
    ).map(lambda value: {"text": "x", "other": value}),
    st.booleans(),
    st.integers(1, 30),
    st.sampled_from([None, 1, 4]),
)
def test_objects_of_an_array_are_found_whatever_they_hold(value, is_array, size, indent):
    values = [value, {"text": "y"}, value]
    inner = [json.dumps(one, indent=indent) for one in values]
    data = (f"[{','.join(inner)}]" if is_array else "\n".join(inner)).encode()
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    found = list(json_rows.objects(chunks, max_bytes=1 << 20))
    assert [json.loads(line.data) for line in found] == values
    assert all(data[line.offset :].startswith(line.data) for line in found)
    short = list(json_rows.objects(chunks, max_bytes=12))
    assert [line.num_bytes for line in short] == [line.num_bytes for line in found]
    assert [line.reason for line in short] == [
        "too_large" if line.num_bytes > 12 else "" for line in found
    ]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


@given(
    row=st.dictionaries(st.sampled_from(["a", "b", "a.b"]), VALUES),
    is_ascii=st.booleans(),
    damage=st.none() | st.tuples(st.integers(0, 60), st.binary(max_size=3)),
)
@example(row={"a": 2**64, "b": -(2**63)}, is_ascii=True, damage=None)
@example(row={"a": "\ud800", "b": float("nan")}, is_ascii=True, damage=None)
@example(row={"a": -0.0}, is_ascii=True, damage=(6, b"-0"))
def test_a_row_is_what_the_standard_library_reads(
    row: dict[str, object], is_ascii: bool, damage: tuple[int, bytes] | None
):
    data = json.dumps(row, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    if damage:
        data = data[: damage[0]] + damage[1] + data[damage[0] :]
    columns = {"text": "a", "key": "b", "title": "a.b"}
    if b"\n" in data or not data.strip() or data.startswith(json_rows.BOM):
        return
    (found,) = json_rows.rows([Line(9, data, len(data), "")], columns)
    wanted, reason = json_rows.loads(data)
    fields = {role: json_rows.field(wanted, column) for role, column in columns.items()}
    assert (repr(found.values), found.reason) == (repr(fields), reason)
