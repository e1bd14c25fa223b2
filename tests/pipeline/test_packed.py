import bz2
import gzip
import itertools
import random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.raw import lines, packed
from pipeline.raw.packed import Damage, unpacked

RNG = random.Random(3)
TEXT = b"".join(b"line %d %s\n" % (n, RNG.randbytes(20).hex().encode()) for n in range(6000))


def pack(form: str, data: bytes) -> bytes:
    return {
        "gz": lambda: gzip.compress(data, mtime=0),
        "bz2": lambda: bz2.compress(data),
        "zst": lambda: zstandard.ZstdCompressor(write_checksum=True).compress(data),
    }[form]()


def members(form: str, *, num: int = 4) -> list[bytes]:
    size = -(-len(TEXT) // num)
    return [pack(form, TEXT[at : at + size]) for at in range(0, len(TEXT), size)]


def run(form: str, data: bytes, *, size: int = 1 << 14) -> tuple[bytes, list[str]]:
    pieces = list(unpacked((data[at : at + size] for at in range(0, len(data), size)), form))
    return (
        b"".join(piece for piece in pieces if isinstance(piece, bytes)),
        [piece.reason for piece in pieces if isinstance(piece, Damage)],
    )


@pytest.mark.parametrize("form", packed.PACKINGS)
def test_members_of_any_size_come_out_whole(form: str):
    whole = b"".join(members(form))
    assert packed.packing(whole) == form
    for size in (7, 1000, 1 << 20):
        assert run(form, whole, size=size) == (TEXT, [])
    assert run(form, whole + b"\0" * 5000) == (TEXT, [])


@pytest.mark.parametrize("form", packed.PACKINGS)
def test_a_truncated_end_costs_only_itself(form: str):
    whole = members(form)
    out, damage = run(form, b"".join(whole)[:-10])
    assert damage == ["truncated"]
    assert TEXT.startswith(out)
    assert len(out) >= len(TEXT) * 3 // 4
    assert run(form, b"".join(whole) + packed.PACKINGS[form][:2]) == (TEXT, ["truncated"])


@pytest.mark.parametrize("form", packed.PACKINGS)
@pytest.mark.parametrize("size", [64, 1 << 20])
def test_reading_goes_on_behind_a_damaged_member(form: str, size: int):
    whole = members(form)
    hurt = bytearray(whole[1])
    hurt[len(hurt) // 2 : len(hurt) // 2 + 30] = RNG.randbytes(30)
    out, damage = run(form, b"".join([whole[0], bytes(hurt), *whole[2:]]), size=size)
    assert damage == ["damaged"]
    assert out.startswith(TEXT[: len(TEXT) // 4])
    assert out.endswith(TEXT[-(len(TEXT) // 2 - 100) :])
    out, damage = run(form, b"rubbish" + whole[0] + b"rubbish" + b"".join(whole[1:]), size=size)
    assert (out, damage) == (TEXT, ["damaged", "damaged"])


@pytest.mark.parametrize("form", packed.PACKINGS)
def test_a_bomb_is_given_up(form: str, monkeypatch):
    monkeypatch.setattr(packed, "_FREE_BYTES", 1 << 27)
    one = pack(form, bytes(1 << 25))
    given_out = 0
    for piece in unpacked(iter([one] * 64), form):
        if isinstance(piece, Damage):
            assert piece.reason == "bomb"
            break
        assert len(piece) <= 1 << 26
        given_out += len(piece)
    else:
        pytest.fail("no end")
    assert given_out < 1 << 29


@given(
    st.sampled_from(sorted(packed.PACKINGS)),
    st.integers(0, 1 << 20),
    st.binary(min_size=1, max_size=8),
)
def test_any_damage_is_survived(form: str, at: int, noise: bytes):
    data = bytearray(b"".join(pack(form, TEXT[n * 900 :][:900]) for n in range(4)))
    at %= len(data)
    data[at : at + len(noise)] = noise
    out, damage = run(form, bytes(data))
    assert len(out) <= 8 * 3600
    assert len(damage) <= 4


def test_skippable_frames_of_zstd_are_skipped():
    frame = b"\x52\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    assert run("zst", frame + pack("zst", TEXT) + frame) == (TEXT, [])
    assert packed.packing(frame) == "zst"
    assert run("zst", pack("zst", TEXT) + frame[:-1]) == (TEXT, ["truncated"])


@given(st.binary(max_size=200), st.lists(st.integers(1, 50), max_size=20), st.integers(1, 40))
def test_lines_do_not_depend_on_chunks_and_keep_every_byte(data, sizes, longest):
    data = data.replace(b"a", b"\n")
    chunks, at = [], 0
    for size in [*sizes, len(data) + 1]:
        chunks.append(data[at : at + size])
        at += size
    found = list(lines.lines(chunks, max_bytes=longest))
    assert found == list(lines.lines([data], max_bytes=longest))
    assert sum(line.num_bytes for line in found) == len(data)
    for line in found:
        own = data[line.offset : line.offset + line.num_bytes]
        assert line.data == (b"" if line.reason else own.removesuffix(b"\n"))
        assert (line.reason == "too_large") == (line.num_bytes > longest)


@given(st.binary(max_size=300), st.integers(1, 60), st.integers(1, 50))
def test_pieces_begin_with_lines_and_cover_the_file(data, size, chunk):
    data = data.replace(b"a", b"\n")
    chunks = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    cuts = lines.starts(chunks, size=size)
    assert cuts == sorted(set(cuts))
    assert cuts[0] == 0
    assert all(data[cut - 1 : cut] == b"\n" and cut < len(data) for cut in cuts[1:])
    assert all(after - before >= size for before, after in itertools.pairwise(cuts))
    apart = [
        line
        for begin, end in zip(cuts, [*cuts[1:], len(data)], strict=True)
        for line in lines.lines([data[begin:end]], max_bytes=99, start=begin)
    ]
    assert apart == list(lines.lines([data], max_bytes=99))
