"""Small files are grouped by content alone, and a group costs only itself."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from pipeline.split import RawFile, from_json, group, to_json, whole_files

_GROUP_BYTES = 1000


def raw_file(number: int, num_bytes: int, *, folder: str = "a") -> RawFile:
    return RawFile(
        source="books",
        kind="books",
        url=f"{folder}/{number}.txt",
        num_bytes=num_bytes,
        sha256=hashlib.sha256(str(number).encode()).hexdigest(),
        form="txt",
        cuts=(0,),
    )


sizes = st.lists(st.integers(0, 600), min_size=1, max_size=80)


@given(sizes=sizes, seed=st.randoms(use_true_random=False))
def test_every_file_is_in_one_group_whatever_their_order_and_places(sizes, seed):
    files = [raw_file(number, size) for number, size in enumerate(sizes)]
    groups = group(files, group_bytes=_GROUP_BYTES)
    members = [member.sha256 for split in groups for member in whole_files(split)]
    assert sorted(members) == sorted(file.sha256 for file in files)
    assert sum(split.end for split in groups) == sum(sizes)
    moved = [raw_file(number, size, folder="b") for number, size in enumerate(sizes)]
    seed.shuffle(moved)
    assert [split.sha256 for split in group(moved, group_bytes=_GROUP_BYTES)] == [
        split.sha256 for split in groups
    ]


@given(sizes=sizes)
def test_one_more_file_changes_one_group_until_the_source_has_doubled(sizes):
    files = [raw_file(number, size) for number, size in enumerate(sizes)]
    more = [*files, raw_file(len(files), 1)]
    before = {split.sha256 for split in group(files, group_bytes=_GROUP_BYTES)}
    after = {split.sha256 for split in group(more, group_bytes=_GROUP_BYTES)}
    total = sum(sizes) // _GROUP_BYTES
    if total.bit_length() == ((sum(sizes) + 1) // _GROUP_BYTES).bit_length():
        assert len(after - before) == 1


@given(sizes=sizes)
def test_a_split_survives_its_journey_as_json(sizes):
    files = [raw_file(number, size) for number, size in enumerate(sizes)]
    for split in group(files, group_bytes=_GROUP_BYTES):
        assert from_json(to_json(split)) == split
