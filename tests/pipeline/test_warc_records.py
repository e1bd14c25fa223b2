"""Records of archives whose bytes are written here: whole, cut into splits, and damaged."""

import gzip
import io
import itertools
import random
import tracemalloc

import pytest
import zstandard
from fastwarc.warc import ArchiveIterator
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.warc import plain_cuts
from pipeline.web.warc_pieces import gzip_cuts, gzip_pieces, pieces, plain_pieces
from pipeline.web.warc_records import scan

MANY = 1 << 62


def warc(number: int, block: bytes, *, kind: str = "response", length: int | None = None) -> bytes:
    size = len(block) if length is None else length
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:test:{number}>\r\n"
        f"WARC-Target-URI: http://example.org/{number}\r\nWARC-Date: 2020-01-02T03:04:05Z\r\n"
        f"Content-Length: {size}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def arc(number: int, block: bytes) -> bytes:
    line = f"http://example.org/{number} 10.0.0.1 20200102030405 text/html {len(block)}\n"
    return line.encode() + block + b"\n"


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def read(stream, *, limit: int = MANY, max_bytes: int = 1 << 20):
    return list(scan(stream, limit=limit, max_bytes=max_bytes))


def chunked(content: bytes, size: int):
    return iter([content[at : at + size] for at in range(0, len(content), size)])


BLOCKS = [b"one", b"", b"two\r\n\r\nlines " * 9, noise(1, 5000), b"WARC/1.0 in the text\r\n"]


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_packing_and_chunks_change_no_record(size):
    records = [warc(n, block) for n, block in enumerate(BLOCKS)]
    plain = read(plain_pieces(chunked(b"".join(records), size), 0))
    assert [r.block for r in plain] == BLOCKS
    assert [r.offset for r in plain] == [0, *itertools.accumulate(map(len, records))][:-1]
    members = [gzip.compress(record, mtime=0) for record in records]
    packed = read(gzip_pieces(chunked(b"".join(members), size), 0))
    assert [(r.type, r.headers, r.block, r.num_bytes) for r in packed] == [
        (r.type, r.headers, r.block, r.num_bytes) for r in plain
    ]
    assert [r.offset for r in packed] == [0, *itertools.accumulate(map(len, members))][:-1]
    whole = read(gzip_pieces(chunked(gzip.compress(b"".join(records)), size), 0))
    assert [r.block for r in whole] == BLOCKS


@pytest.mark.parametrize("has_dictionary", [False, True])
def test_zstd_frames_are_read_with_and_without_a_dictionary(tmp_path, has_dictionary):
    records = [warc(n, block) for n, block in enumerate(BLOCKS)]
    head, dictionary = b"", None
    if has_dictionary:
        dictionary = zstandard.ZstdCompressionDict(b"WARC/1.0\r\nWARC-Type: response" * 20)
        raw = dictionary.as_bytes()
        head = b"\x5d\x2a\x4d\x18" + len(raw).to_bytes(4, "little") + raw
    frames = [zstandard.ZstdCompressor(dict_data=dictionary).compress(r) for r in records]
    path = tmp_path / "a.warc.zst"
    path.write_bytes(head + b"".join(frames))
    assert [r.block for r in read(pieces(str(path), "warc.zst", 0))] == BLOCKS
    frames[1] = frames[1][:-9]
    path.write_bytes(head + b"".join(frames))
    found = read(pieces(str(path), "warc.zst", 0))
    assert [r.block for r in found if not r.problem][-2:] == BLOCKS[3:]
    assert [r.problem for r in found if r.problem] == ["bad_zstd"]


def test_arc_is_put_in_the_words_of_warc():
    head = b"filedesc://a.arc 0.0.0.0 20200102030405 text/plain 12\n1 0 Tests\n\n\n\n"
    url = b"http://example.org/with space 10.0.0.1 20200102030405 text/html 4\nbody\n"
    found = read(plain_pieces(iter([head + arc(1, b"first") + url]), 0))
    assert [(r.type, r.block) for r in found] == [
        ("filedesc", b""),
        ("response", b"first"),
        ("response", b"body"),
    ]
    assert found[2].headers["warc-target-uri"] == "http://example.org/with space"
    assert found[1].headers["warc-date"] == "20200102030405"


def test_a_sound_archive_is_read_as_fastwarc_does():
    content = b"".join(
        gzip.compress(warc(n, block, kind=kind))
        for n, (block, kind) in enumerate(
            zip(BLOCKS, ["warcinfo", "request", "response", "resource", "revisit"], strict=True)
        )
    )
    ours = read(gzip_pieces(iter([content]), 0))
    theirs = [
        (str(record.record_type).rpartition(".")[2], record.record_id, record.reader.read())
        for record in ArchiveIterator(io.BytesIO(content), parse_http=False)
    ]
    assert [(r.type, r.headers["warc-record-id"]) for r in ours] == [t[:2] for t in theirs]
    assert [r.block for r in ours[2:4]] == [t[2] for t in theirs[2:4]]


RECORDS = st.lists(st.binary(max_size=400), min_size=1, max_size=12)


@given(blocks=RECORDS, size=st.integers(1, 900), chunk=st.integers(20, 5000))
def test_splits_together_give_every_record_once(blocks, size, chunk):
    records = [warc(n, block) for n, block in enumerate(blocks)]
    for content, cuts, cut in (
        (b"".join(records), plain_cuts, plain_pieces),
        (b"".join(gzip.compress(r, mtime=0) for r in records), gzip_cuts, gzip_pieces),
    ):
        starts = cuts(chunked(content, chunk), size=size)
        assert starts == cuts(iter([content]), size=size)
        union = [
            record
            for start, end in zip(starts, [*starts[1:], len(content)], strict=True)
            for record in read(cut(iter([content[start:]]), start), limit=end)
        ]
        assert union == read(cut(iter([content]), 0))
        assert [r.block for r in union] == blocks


@given(data=st.data())
def test_a_damaged_member_costs_only_itself(data):
    # Noise, so that no byte of a member is without effect.
    members = [gzip.compress(warc(n, noise(n, 300)), mtime=0) for n in range(5)]
    hurt = data.draw(st.integers(0, 4))
    member = bytearray(members[hurt])
    at = data.draw(st.integers(10, len(member) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if how == "flip":
        member[at] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del member[at:]
    else:
        member[at:at] = noise(at, 40)
    content = b"".join([*members[:hurt], bytes(member), *members[hurt + 1 :]])
    found = read(gzip_pieces(iter([content]), 0))
    kept = [r.block for r in found if not r.problem]
    others = [noise(n, 300) for n in range(5) if n != hurt]
    assert kept == others
    lost = [r for r in found if r.problem]
    assert len(lost) == 1
    assert lost[0].problem in ("bad_gzip", "truncated_gzip")
    assert lost[0].offset == sum(map(len, members[:hurt]))


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (warc(1, b"x" * 50, length=20), "wrong_length"),
        (warc(1, b"x" * 50, length=90), "wrong_length"),
        (warc(1, b"x" * 50, length=5000), "wrong_length"),
        (b"WARC/1.0\r\nWARC-Type: response\r\n\r\nbody\r\n\r\n", "no_content_length"),
        (b"WARC/1.0\r\nContent-Length: 4\r\n\r\nbody\r\n\r\n", "no_record_type"),
        (b"WARC/1.0\r\nWARC-Type: a\r\nContent-Length: -4\r\n\r\nb\r\n\r\n", "no_content_length"),
        (b"neither fish nor fowl\r\n", "no_record_head"),
        (b"WARC/x\r\nWARC-Type: response\r\nContent-Length: 0\r\n\r\n\r\n\r\n", "no_record_head"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_after_a_broken_record_reading_goes_on_at_the_next(broken, problem, packed):
    parts = [warc(0, b"before"), broken, warc(2, b"after")]
    if packed:
        found = read(gzip_pieces(iter([b"".join(map(gzip.compress, parts))]), 0))
    else:
        found = read(plain_pieces(iter([b"".join(parts)]), 0))
    assert [r.problem for r in found] == ["", problem, ""]
    assert [r.block for r in found[::2]] == [b"before", b"after"]


@pytest.mark.parametrize("cut", [1, 40, 200, 320])
def test_a_truncated_file_loses_its_last_record_only(cut):
    first, last = warc(0, b"a" * 99), warc(1, b"b" * 99)
    whole = len(last) - 4
    found = read(plain_pieces(iter([first + last[: min(cut, whole - 1)]]), 0))
    assert [r.problem for r in found] == ["", "no_record_head" if cut == 1 else "truncated"]
    packed = gzip.compress(first) + gzip.compress(last)[: min(cut, 100)]
    problem = "bad_gzip" if cut == 1 else "truncated_gzip"
    assert [r.problem for r in read(gzip_pieces(iter([packed]), 0))] == ["", problem]


def test_garbage_and_zeros_between_members():
    first, second = gzip.compress(warc(0, b"a")), gzip.compress(warc(1, b"b"))
    found = read(gzip_pieces(iter([first + bytes(999) + second + bytes(5)]), 0))
    assert [r.problem for r in found] == ["", ""]
    found = read(gzip_pieces(iter([first + noise(3, 99_999) + second + noise(4, 2)]), 0))
    assert [r.problem for r in found] == ["", "bad_gzip", "", "bad_gzip"]


def test_a_record_beyond_the_limit_is_passed_in_bounded_memory():
    bomb = gzip.compress(warc(0, bytes(80 << 20)), 9)
    after = gzip.compress(warc(1, b"after"))
    tracemalloc.start()
    found = read(gzip_pieces(chunked(bomb + after, 1 << 16), 0), max_bytes=1 << 16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(r.problem, r.block) for r in found] == [("too_large", b""), ("", b"after")]
    assert peak < 20 << 20


def test_a_length_beyond_all_bounds_does_not_swallow_the_next_member():
    parts = [warc(0, b"x", length=10**15), warc(1, b"after")]
    found = read(gzip_pieces(iter([b"".join(map(gzip.compress, parts))]), 0))
    assert [r.problem for r in found] == ["wrong_length", ""]


@given(content=st.binary(max_size=2000), flips=st.lists(st.integers(0, 3000), max_size=5))
def test_anything_is_read_to_its_end(content, flips):
    base = bytearray(warc(0, content) + arc(1, content) + warc(2, content) + content)
    for at in flips:
        base[at % len(base)] ^= 1 + at % 255
    for stream in (
        plain_pieces(iter([bytes(base)]), 0),
        gzip_pieces(iter([bytes(base)]), 0),
        gzip_pieces(iter([gzip.compress(bytes(base))[: 100 + len(flips)]]), 0),
    ):
        for record in read(stream):
            assert record.num_bytes <= 2 * len(base) + 99
