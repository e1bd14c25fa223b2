import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.http_body import Response, decoded_body, parse_response

PAGE = b"<html><p>Some text of a page.</p></html>" * 20


def chunks(body: bytes, sizes: list[int]) -> bytes:
    out, at = [], 0
    for size in sizes:
        if piece := body[at : at + size]:
            out.append(b"%x;name=value\r\n%s\r\n" % (len(piece), piece))
        at += size
    if piece := body[at:]:
        out.append(b"%X\r\n%s\r\n" % (len(piece), piece))
    return b"".join(out) + b"0\r\n\r\n"


def decoded(body: bytes, *, max_bytes: int = 1 << 20, **headers: str) -> tuple[bytes, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return decoded_body(Response(200, named, body), max_bytes=max_bytes)


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


ENCODINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def test_a_response_is_taken_apart():
    block = b"HTTP/1.1 200 OK\r\nA: one\r\na: two\r\nLong: x\r\n y\r\nbroken\r\n\r\nbody\r\n\r\n"
    assert parse_response(block) == Response(200, {"a": "one", "long": "x y"}, b"body\r\n\r\n")
    assert parse_response(b"HTTP/1.0 404 No\n\n") == Response(404, {}, b"")


@pytest.mark.parametrize("block", [b"", b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n"])
def test_what_is_no_response_is_told(block):
    assert parse_response(block) is None


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_compressed_bodies_are_decoded(encoding):
    assert decoded(ENCODINGS[encoding](PAGE), content_encoding=encoding.upper()) == (PAGE, "")


def test_deflate_without_its_head_and_two_encodings_at_once():
    assert decoded(raw_deflate(PAGE), content_encoding="deflate") == (PAGE, "")
    twice = brotli.compress(gzip.compress(PAGE))
    assert decoded(twice, content_encoding="gzip, br") == (PAGE, "")


@pytest.mark.parametrize("encoding", [*ENCODINGS, "identity", "unknown"])
def test_a_body_stored_decoded_stays_whatever_its_header_says(encoding):
    headers = {"content_encoding": encoding, "transfer_encoding": "chunked"}
    assert decoded(PAGE, **headers) == (PAGE, "")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_bomb_is_given_up(encoding):
    bomb = ENCODINGS[encoding](b"<" * (8 << 20))
    assert decoded(bomb, content_encoding=encoding) == (b"", "too_large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_damaged_body_is_told(encoding):
    packed = bytearray(ENCODINGS[encoding](bytes(range(256)) * 8))
    packed[6:60] = b"\xff" * 54
    body, problem = decoded(bytes(packed), content_encoding=encoding)
    assert (body, problem) == (b"", "bad_encoding") or body != bytes(range(256)) * 8


@given(body=st.binary(max_size=500), sizes=st.lists(st.integers(1, 90), max_size=6))
def test_chunks_are_joined(body, sizes):
    assert decoded(chunks(body, sizes), transfer_encoding="Chunked") == (body, "")
    packed = chunks(gzip.compress(body), sizes)
    both = decoded(packed, transfer_encoding="chunked", content_encoding="gzip")
    assert both == (body, "")


def test_chunks_cut_short_give_what_there_is_and_broken_ones_nothing():
    whole = chunks(PAGE, [100, 200])
    got, problem = decoded(whole[:350], transfer_encoding="chunked")
    assert 250 < len(got) < 350
    assert PAGE.startswith(got)
    assert not problem
    broken = whole.replace(b"c8;name=value", b"zz;name=value")
    assert decoded(broken, transfer_encoding="chunked") == (b"", "bad_chunks")


@given(
    body=st.binary(max_size=300),
    encoding=st.sampled_from([*ENCODINGS, "gzip, br", ""]),
    is_chunked=st.booleans(),
)
def test_any_body_is_read(body, encoding, is_chunked):
    transfer = "chunked" if is_chunked else ""
    got, problem = decoded(body, content_encoding=encoding, transfer_encoding=transfer)
    assert problem in ("", "too_large", "bad_encoding", "bad_chunks")
    assert not (problem and got)
