"""Bytes to text."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.raw.decode import declared_encoding, decode, is_binary

FRENCH = "Les élèves étaient déjà à l'école, où leur maître français les pria d'être sages. " * 20


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_utf8_decodes_to_itself(text):
    assert decode(text.encode())[0] == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_a_byte_order_mark_decides(mark, encoding):
    data = mark + FRENCH.encode(encoding)
    assert decode(data, "iso-8859-1") == (FRENCH, encoding)
    assert not is_binary(data)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "mac_roman", "cp850"])
def test_undeclared_western_text_is_read(encoding):
    assert decode(FRENCH.encode(encoding))[0] == FRENCH


def test_a_wrong_declaration_loses_against_valid_utf8():
    assert decode(FRENCH.encode(), "iso-8859-1") == (FRENCH, "utf-8")


def test_latin1_means_windows_1252_as_in_browsers():
    assert decode(b"\x93so\x94 \xe9", "ISO-8859-1") == ("“so” é", "cp1252")


@pytest.mark.parametrize("label", ["hex", "rot13", "no-such-thing", "", None, "utf-8"])
def test_a_useless_declaration_does_no_harm(label):
    assert decode(FRENCH.encode("latin-1"), label)[0] == FRENCH


@given(
    st.binary(max_size=400), st.sampled_from([None, "utf-16", "shift_jis", "utf-7", "iso-2022-jp"])
)
def test_any_bytes_decode(data, declared):
    text, encoding = decode(data, declared)
    assert decode(data, declared) == (text, encoding)


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b'<?xml version="1.0" encoding="ISO-8859-15"?>', "ISO-8859-15"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"),
        (b"Language: French\r\n\r\nCharacter set encoding: ISO-8859-1\r\n", "ISO-8859-1"),
        (b"Nothing is said of it here.", None),
    ],
)
def test_declarations_are_found(head, wanted):
    assert declared_encoding(head) == wanted


def test_binary_is_told_from_text():
    assert is_binary(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    assert is_binary(bytes(range(1, 8)) * 100)
    assert not is_binary(FRENCH.encode("latin-1"))
    assert not is_binary(b"")
