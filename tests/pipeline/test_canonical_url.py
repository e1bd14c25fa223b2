import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.canonical_url import canonical_url, same_site


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("http://example.org:80/a/", "http://example.org/a"),
        ("https://example.org:443/a//", "https://example.org/a"),
        ("https://example.org:8443/", "https://example.org:8443/"),
        ("https://user:secret@example.org./a#part", "https://example.org/a"),
        (
            "https://example.org/a?utm_source=x&id=7&fbclid=abc&UTM=1",
            "https://example.org/a?id=7&UTM=1",
        ),
        ("https://example.org/?gclid=1&utm_medium=2", "https://example.org/"),
        ("https://example.org/a?b=2&a=1&&a=1", "https://example.org/a?b=2&a=1&a=1"),
        ("https://example.org/%7euser/%c3%a4?q=%2f", "https://example.org/~user/%C3%A4?q=%2F"),
        ("https://example.org/grün weiß", "https://example.org/gr%C3%BCn%20wei%C3%9F"),
        ("  https://www.example.org/A/b.HTML ", "https://www.example.org/A/b.HTML"),
        ("http://[2001:DB8::1]:80/x", "http://[2001:db8::1]/x"),
        ("https://example.org/a;b=c", "https://example.org/a;b=c"),
        ("http://example.org/a?share=1&ref_src=t", "http://example.org/a?share=1"),
        ("http://example.org:port/", "http://example.org:port/"),
        ("ftp://Example.org/", "ftp://Example.org/"),
        ("no address", "no%20address"),
        ("http://", "http://"),
        ("http://[broken/", "http://[broken/"),
    ],
)
def test_golden_addresses(url, wanted):
    assert canonical_url(url) == wanted


@given(st.text(max_size=60).map(lambda rest: f"http://example.org/{rest}") | st.text(max_size=40))
def test_canonical_addresses_are_fixed_points(url):
    once = canonical_url(url)
    assert canonical_url(once) == once


@pytest.mark.parametrize(
    ("base", "link", "wanted"),
    [
        ("http://example.org/a", "/b#c", "http://example.org/b"),
        ("http://www.example.org/a", "https://example.org/b/", "https://example.org/b"),
        ("http://example.org/a", "https://elsewhere.org/b", ""),
        ("http://example.org/a", "http://[broken", ""),
        ("not one", "/b", ""),
    ],
)
def test_links_of_the_same_site(base, link, wanted):
    assert same_site(base, link) == wanted
