import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.html_charset import decode_html

GERMAN = "Grüße aus Köln, für 5 €: „Straßenbahn“ – schöne Fußgängerzone"
RUSSIAN = "Вчера в Москве прошло заседание правительства, на котором обсуждали новый бюджет. " * 4
JAPANESE = (
    "昨日、東京で新しい図書館が開館し、多くの人々が訪れました。館内には古い本もあります。" * 4
)
CHINESE = "昨天，北京的新图书馆开放了，许多人前来参观。馆内还有许多古老的书籍。" * 4


def page(text: str, charset: str, *, says: str = "") -> bytes:
    meta = f'<meta charset="{says}">' if says else ""
    return f"<html><head>{meta}<title>x</title></head><p>{text}</p>".encode(charset)


@pytest.mark.parametrize(
    ("text", "charset", "label"),
    [
        (GERMAN, "cp1252", "ISO-8859-1"),
        (RUSSIAN, "cp1251", "windows-1251"),
        (RUSSIAN, "koi8-r", "KOI8-R"),
        (JAPANESE, "cp932", "x-sjis"),
        (JAPANESE, "euc-jp", "euc-jp"),
        (CHINESE, "gb18030", "gb2312"),
        (CHINESE.replace("昨", "昨"), "utf-8", "utf8"),
    ],
)
def test_declared_charsets_by_header_and_by_meta(text, charset, label):
    by_header, _ = decode_html(page(text, charset), f"text/html; charset={label}")
    by_meta, _ = decode_html(page(text, charset, says=label))
    assert text in by_header
    assert text in by_meta


def test_the_header_outweighs_the_meta_and_a_byte_order_mark_both():
    data = page(RUSSIAN, "koi8-r", says="windows-1251")
    assert RUSSIAN in decode_html(data, 'text/html; charset="koi8-r"')[0]
    for codec, bom in (("utf-8", "utf-8-sig"), ("utf-16-le", "utf-16"), ("utf-16-be", "")):
        marked = "\ufeff".encode(codec) + page(RUSSIAN, codec)
        text, name = decode_html(marked, "text/html; charset=koi8-r")
        assert text.startswith("<html>"), bom
        assert name == codec


@pytest.mark.parametrize("label", ["iso-8859-1", "windows-1252", "nonsense", "utf-7", "utf-16"])
def test_valid_utf8_is_utf8_whatever_a_meta_says(label):
    assert decode_html(page(GERMAN, "utf-8", says=label))[0].count(GERMAN) == 1


@pytest.mark.parametrize(("text", "charset"), [(RUSSIAN, "cp1251"), (JAPANESE, "euc-jp")])
def test_a_charset_that_is_not_declared_or_a_lie_is_detected(text, charset):
    assert text in decode_html(page(text, charset))[0]
    assert text in decode_html(page(text, charset), "text/html; charset=utf-8")[0]


def test_a_few_bad_bytes_do_not_change_the_charset():
    data = page(RUSSIAN, "utf-8").replace(b"</p>", b"\xff</p>")
    text, name = decode_html(data, "text/html; charset=utf-8")
    assert name == "utf-8"
    assert text.count("\ufffd") == 1


def test_a_meta_in_a_comment_does_not_count():
    data = b'<!-- <meta charset="koi8-r"> -->' + page(GERMAN, "cp1252", says="windows-1252")
    assert GERMAN in decode_html(data)[0]


@given(st.binary(max_size=300), st.sampled_from(["", "a; charset=big5", "a; charset=iso-2022-jp"]))
def test_any_bytes_are_decoded(data, content_type):
    text, _ = decode_html(data, content_type)
    assert isinstance(text, str)
