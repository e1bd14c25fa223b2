import bz2
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.raw import multistream
from pipeline.raw.multistream import Damage, bunzip, stream_starts


def text(seed: int, num_bytes: int) -> bytes:
    rng = random.Random(seed)
    return b" ".join(b"%d" % rng.randrange(10**6) for _ in range(num_bytes // 6))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.bz2"


def spoil(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x5A]) + content[at + 1 :]


@pytest.mark.parametrize("which", range(4))
def test_a_damaged_stream_is_lost_whole_and_the_others_are_read(path, which):
    texts = [text(seed, 3000) for seed in range(4)]
    streams = [bz2.compress(t) for t in texts]
    starts = [sum(map(len, streams[:n])) for n in range(5)]
    middle = starts[which] + len(streams[which]) // 2
    path.write_bytes(spoil(b"".join(streams), middle))
    found = list(bunzip(str(path)))
    damage = Damage(offset=starts[which], num_bytes=len(streams[which]))
    assert [piece for piece in found if isinstance(piece, Damage)] == [damage]
    before, after = found[: found.index(damage)], found[found.index(damage) + 1 :]
    assert b"".join(before) == b"".join(texts[:which])
    assert b"".join(after) == b"".join(texts[which + 1 :])


def test_in_a_single_stream_what_was_proved_whole_is_read(path, monkeypatch):
    monkeypatch.setattr(multistream, "HELD_BYTES", 200_000)
    monkeypatch.setattr(multistream, "CHUNK_BYTES", 10_000)
    whole = text(1, 2_000_000)
    content = bz2.compress(whole, 1)
    path.write_bytes(spoil(content, len(content) * 2 // 3))
    *read, damage = bunzip(str(path))
    assert isinstance(damage, Damage)
    got = b"".join(read)  # type: ignore[arg-type]
    assert whole.startswith(got)
    assert len(got) > len(whole) * 2 // 3 - 500_000
    assert 0 <= damage.offset <= len(content) * 2 // 3
    assert damage.offset + damage.num_bytes == len(content)


def test_a_stream_cut_short_is_damage_too(path):
    content = bz2.compress(text(1, 3000))
    path.write_bytes(content + content[:-20])
    *read, damage = bunzip(str(path))
    assert damage == Damage(offset=len(content), num_bytes=len(content) - 20)
    assert b"".join(read) == text(1, 3000)  # type: ignore[arg-type]


@given(
    sizes=st.lists(st.integers(0, 400), min_size=1, max_size=5),
    at=st.integers(0, 10**6),
    split=st.integers(0, 4),
)
def test_whatever_byte_is_wrong_each_stream_is_read_or_lost(tmp_path_factory, sizes, at, split):
    path = tmp_path_factory.getbasetemp() / "file.bz2"
    texts = [text(seed, size) for seed, size in enumerate(sizes)]
    streams = [bz2.compress(t) for t in texts]
    content = b"".join(streams)
    path.write_bytes(spoil(content, at % len(content)))
    found = list(bunzip(str(path)))
    got = b"".join(piece for piece in found if isinstance(piece, bytes))
    lost = [piece for piece in found if isinstance(piece, Damage)]
    assert len(lost) <= 2
    wholes = [b"".join(texts[:n] + texts[m:]) for n in range(6) for m in range(n, n + 3)]
    assert got in wholes
    # A split that begins at a stream reads the same from there.
    starts = list(stream_starts([path.read_bytes()]))
    if starts:
        start = starts[split % len(starts)]
        own = b"".join(p for p in bunzip(str(path), start) if isinstance(p, bytes))
        assert got.endswith(own)
