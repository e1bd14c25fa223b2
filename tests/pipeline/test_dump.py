import bz2
import itertools
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.raw.multistream import stream_starts
from pipeline.raw.multistream import tail_is_whole as bz2_tail_is_whole
from pipeline.wiki import siteinfo
from pipeline.wiki.dump import BadPage, Page, pages, pages_in

HEAD = b'<mediawiki xml:lang="en"><siteinfo><sitename>Toy</sitename></siteinfo>\n'


def page_xml(
    number: int, text: str, *, title: str = "", namespace: int = 0, extra: str = ""
) -> bytes:
    return (
        f"  <page>\n    <title>{escape(title or f'Page {number}')}</title>\n"
        f"    <ns>{namespace}</ns>\n    <id>{number}</id>\n{extra}"
        f"    <revision><id>{number + 1000}</id>"
        f'<text bytes="1" xml:space="preserve">{escape(text)}</text></revision>\n  </page>\n'
    ).encode()


def cut(content: bytes, sizes: list[int]) -> list[bytes]:
    """Cut content into chunks of the given sizes, repeated; the rest is one chunk."""
    chunks, at = [], 0
    for size in itertools.islice(itertools.cycle(sizes), 10_000):
        if at >= len(content):
            break
        chunks.append(content[at : at + size])
        at += size
    return [*chunks, content[at:]]


def test_a_page_carries_its_fields_and_where_it_lies():
    first = page_xml(7, "Fish & <b>chips</b>", title='"Q" & A', namespace=-1)
    content = HEAD + first + page_xml(8, "next") + b"</mediawiki>"
    got = list(pages([content]))
    assert got[0] == Page(
        id=7,
        namespace=-1,
        title='"Q" & A',
        redirect=False,
        text="Fish & <b>chips</b>",
        offset=content.index(b"<page>"),
        num_bytes=len(first.strip()),
    )
    assert [p.id for p in got if isinstance(p, Page)] == [7, 8]


def test_namespaces_are_named_by_the_wiki():
    names = b'<namespace key="-2" case="first-letter">Spezial &amp; so</namespace>'
    names += '<namespace key="14" case="first-letter">Kategória</namespace>'.encode()
    head = HEAD.replace(b"</siteinfo>", b"<namespaces>" + names + b"</namespaces></siteinfo>")
    found = siteinfo.parse(head + page_xml(1, "x"))
    assert found.namespaces == {-2: "Spezial & so", 14: "Kategória"}
    assert siteinfo.parse(b"no dump") == siteinfo.Siteinfo()


def test_redirects_are_marked_by_element_or_by_text():
    content = page_xml(1, "x", extra='<redirect title="Y" />') + page_xml(2, "#redirect [[Y]]")
    assert [p.redirect for p in pages([content]) if isinstance(p, Page)] == [True, True]


def test_the_last_of_several_revisions_wins():
    content = page_xml(1, "new").replace(
        b"<revision>", b"<revision><text>old</text></revision><revision>", 1
    )
    assert [p.text for p in pages([content]) if isinstance(p, Page)] == ["new"]


def test_a_deleted_text_is_empty():
    content = b"<page><title>T</title><ns>0</ns><id>1</id><revision><text deleted='deleted'/>"
    (page,) = pages([content + b"</revision></page>"])
    assert isinstance(page, Page)
    assert page.text == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<page><title>T</title><ns>0</ns></page>", "no_id"),
        (b"<page><title>T</title><id>x</id><ns>0</ns></page>", "no_id"),
        (b"<page><title>T</title><id>1</id></page>", "no_namespace"),
        (b"<page><id>1</id><ns>0</ns></page>", "no_title"),
        (b"<page><title>T</title><id>1</id><ns>0</page>", "bad_xml"),
        (b"<page>\xff\xfe</page>", "bad_xml"),
        (b'<page><!DOCTYPE a [<!ENTITY b "c">]><title>&b;</title></page>', "bad_xml"),
        (b"<page><title>&undefined;</title></page>", "bad_xml"),
        (b"<page><title>T</title>", "truncated_page"),
    ],
)
def test_a_damaged_page_is_reported_and_the_scan_goes_on(content: bytes, reason: str):
    before, after = page_xml(1, "before"), page_xml(2, "after")
    got = list(pages([before + content]))
    assert got[1] == BadPage(offset=len(before), num_bytes=len(content), reason=reason)
    kinds = [type(p) for p in pages([before + content + after])]
    assert kinds == [Page, BadPage, Page]


def test_cdata_and_comments_are_read_as_xml():
    content = page_xml(1, "TEXT").replace(b"TEXT", b"<!-- no --><![CDATA[<ref>a & b</ref>]]>")
    assert [p.text for p in pages([content]) if isinstance(p, Page)] == ["<ref>a & b</ref>"]


def test_an_unclosed_page_ends_at_the_next_one():
    first, second = page_xml(1, "first"), page_xml(2, "second")
    broken = first.replace(b"</page>", b"")
    got = list(pages([broken + second]))
    assert [type(p) for p in got] == [BadPage, Page]
    assert got[0] == BadPage(
        offset=broken.index(b"<page>"),
        num_bytes=len(broken + second) - len(second.lstrip()) - broken.index(b"<page>"),
        reason="unclosed_page",
    )


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_page_beyond_the_limit_is_skipped_whatever_the_chunks(size: int):
    content = page_xml(1, "a") + page_xml(2, "b" * 5000) + page_xml(3, "c")
    got = list(pages(cut(content, [size]), max_page_bytes=1000))
    assert [type(p) for p in got] == [Page, BadPage, Page]
    assert isinstance(got[1], BadPage)
    assert got[1].reason == "page_too_large"
    assert got[1].num_bytes > 5000


def test_an_endless_page_is_not_held_in_memory():
    import tracemalloc

    chunk = b"x" * 2**16
    tracemalloc.start()
    got = list(pages(itertools.chain([b"<page>"], itertools.repeat(chunk, 400)), max_page_bytes=1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got == [BadPage(offset=0, num_bytes=6 + 400 * 2**16, reason="truncated_page")]
    assert peak < 2**20


def test_deep_xml_is_read_without_recursion():
    content = b"<page>" + b"<a>" * 20_000 + b"</a>" * 20_000 + b"</page>"
    assert [type(p) for p in pages([content + page_xml(1, "x")])] == [BadPage, Page]


def test_a_split_takes_no_chunk_that_it_does_not_need():
    first, second = page_xml(1, "first"), page_xml(2, "second")
    taken: list[int] = []

    def beyond():
        for number, chunk in enumerate([first[10:], second, b"never"]):
            taken.append(number)
            yield chunk

    assert len(list(pages_in([first[:10]], beyond=beyond()))) == 1
    assert taken == [0]


DUMP_PARTS = st.lists(
    st.one_of(
        st.builds(page_xml, st.integers(0, 99), st.text("ab<&> \n", max_size=20)),
        st.sampled_from(
            [b"<page>", b"</page>", b"<pa", b"<page><title>", b"  \n", b"</mediawiki>"]
        ),
    ),
    max_size=8,
)


@given(
    parts=DUMP_PARTS,
    cuts=st.lists(st.integers(0, 1500), max_size=5),
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=4),
    limit=st.sampled_from([150, 1000]),
)
def test_splits_together_give_every_page_once(
    parts: list[bytes], cuts: list[int], sizes: list[int], limit: int
):
    content = b"".join(parts)
    whole = list(pages([content], max_page_bytes=limit))
    bounds = sorted({0, len(content), *(c for c in cuts if c < len(content))})
    # A tag that straddles a bound belongs to the split in which it starts, and the next split
    # then begins in the middle of it.
    union: list[Page | BadPage] = []
    for begin, end in itertools.pairwise(bounds):
        own, beyond = cut(content[begin:end], sizes), cut(content[end:], sizes)
        for page in pages_in(own, beyond=beyond, max_page_bytes=limit):
            fields = {name: getattr(page, name) for name in page.__slots__}
            union.append(type(page)(**{**fields, "offset": page.offset + begin}))
    assert union == whole


@given(
    texts=st.lists(st.binary(max_size=300), min_size=1, max_size=5),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
)
def test_every_stream_start_is_found_across_chunks(texts: list[bytes], sizes: list[int]):
    streams = [bz2.compress(text) for text in texts]
    starts = [0, *itertools.accumulate(len(s) for s in streams)][:-1]
    assert list(stream_starts(cut(b"".join(streams), sizes))) == starts


def test_a_bz2_word_in_plain_bytes_is_no_stream():
    assert list(stream_starts([b"BZh9 is a magic, BZh0" + b"1AY&SY"])) == []


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 8, 13, 100, 1000, 4097, 200_000])
def test_a_truncated_bz2_is_told_by_its_tail(length: int):
    content = bytes((i * i * 31 + i // 7) % 251 for i in range(length))
    whole = bz2.compress(content)
    assert bz2_tail_is_whole(whole[-32:])
    assert bz2_tail_is_whole(bz2.compress(content, 1) + whole)
    for missing in range(1, 21):
        assert not bz2_tail_is_whole(whole[:-missing][-32:])


def test_all_paddings_of_the_last_byte_are_met():
    tails = [bz2.compress(bytes([n % 256] * n)) for n in range(200)]
    assert all(map(bz2_tail_is_whole, tails))
    assert not bz2_tail_is_whole(tails[7] + b"\0")
    assert not bz2_tail_is_whole(b"")
