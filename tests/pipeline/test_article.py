"""Articles of pages that are written here."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web import article, html_tree
from pipeline.web.article import extract
from pipeline.web.article_blocks import Block, agreed, is_date, is_furniture, without_furniture

URL = "https://news.example.org/2020/03/04/story"
LATEST = "2020-03-05"


def sentence(rng: random.Random) -> str:
    words = ["river", "market", "winter", "harvest", "engine", "garden", "captain", "village"]
    first, second, third = (rng.choice(words) for _ in range(3))
    return f"The {first} and the {second} met the {third} in {rng.randint(1800, 2000)}."


def paragraphs(seed: int, count: int = 6) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(sentence(rng) for _ in range(4)) for _ in range(count)]


def page(content: str, *, head: str = "", title: str = "A quiet day at the river") -> str:
    return (
        f'<!DOCTYPE html><html lang="en-GB"><head><title>{title} | The Paper</title>{head}</head>'
        "<body><nav><ul><li><a href='/'>Home</a></li><li><a href='/s'>Sport</a></li></ul></nav>"
        f"<article><h1>{title}</h1>{content}</article>"
        "<footer><p>All rights reserved by The Paper, a newspaper of the valley.</p></footer>"
        "</body></html>"
    )


def story(seed: int, count: int = 6) -> str:
    return "".join(f"<p>{text}</p>" for text in paragraphs(seed, count))


def text_of(html: str) -> str:
    return extract(html, URL, LATEST).text


def test_an_article_is_its_paragraphs_with_blank_lines_between():
    assert text_of(page(story(1))) == "\n\n".join(paragraphs(1))


def test_headings_lists_quotes_and_breaks_are_structure():
    first, second, third, fourth = paragraphs(2, 4)
    html = page(
        f"<p>{first}</p><h2>What came  next</h2><p>{second}</p>"
        f"<ul><li>Apples, pears and plums</li><li>Bread <b>and</b> butter from the farm</li></ul>"
        f"<blockquote><p>{third}</p></blockquote>"
        f"<p>One line of verse<br>and another<br> <br>{fourth}</p>"
    )
    assert text_of(html) == "\n\n".join(
        [
            first,
            "What came next",
            second,
            "Apples, pears and plums\nBread and butter from the farm",
            third,
            "One line of verse\nand another",
            fourth,
        ]
    )


@pytest.mark.parametrize(
    "junk",
    [
        '<div class="share-buttons"><p>Send this story to all of your friends</p></div>',
        '<div class="story related-links"><p>Another story that you have not read yet</p></div>',
        '<div class="newsletter-box"><p>All of our stories in your mailbox daily</p></div>',
        '<p class="wp-caption-text">The old bridge in an undated photograph of the museum</p>',
        '<div id="author-bio"><p>Jane Doe writes about rivers for this newspaper</p></div>',
        '<section class="comments"><p>I have crossed that bridge, says a reader</p></section>',
        '<aside role="complementary"><p>Five things to know about the old bridge</p></aside>',
        "<p>Read more: the bridge that nobody wanted</p>",
        "<p>Advertisement</p><p>Share this</p><h3>Related stories</h3>",
        "<p>© 2020 The Paper. All rights reserved.</p>",
        "<p>Published: 4 March 2020, 10:30 am GMT</p>",
        "<script>document.write('<p>not to be read by anyone at all</p>')</script>",
    ],
)
def test_furniture_leaves_no_trace_and_takes_nothing_along(junk):
    start, end = story(3, 4), story(4, 4)
    wanted = "\n\n".join(paragraphs(3, 4) + paragraphs(4, 4))
    assert text_of(page(start + end + junk)) == wanted
    if "Published" not in junk:
        assert text_of(page(start + junk + end)) == wanted


@pytest.mark.parametrize(
    "line",
    ["Share the load, said the captain.", "More than 40 people came.", "He said: read more books."],
)
def test_sentences_that_begin_like_furniture_stay(line):
    assert not is_furniture(line)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("4 March 2020", True),
        ("Updated: Wed 4 Mar 2020 10:30 GMT", True),
        ("Créé: 12.12.2019, 07h36", True),
        ("Stand: 31. März 2020, 18 Uhr", True),
        ("In 2020 the river rose", False),
        ("March", False),
    ],
)
def test_lines_that_only_say_when(line, verdict):
    assert is_date(line) == verdict


def test_the_title_at_the_top_goes_into_its_own_column():
    blocks = [Block("p", "Local news"), Block("head", "A Quiet Day"), Block("p", "It rained.")]
    assert without_furniture(blocks, title="A quiet day") == blocks[2:]
    assert without_furniture(blocks, title="Another") == blocks
    long = [Block("p", "A sentence that leads into the story, and is long enough."), *blocks[1:]]
    assert without_furniture(long, title="A quiet day")[-1] == blocks[2]


def test_metadata_comes_from_json_ld_then_meta_then_the_page():
    node = {
        "@graph": [
            {"@type": "Organization", "name": "The Paper"},
            {
                "@type": ["NewsArticle"],
                "headline": "Tea &amp; bread",
                "author": [{"name": "By Jane Doe"}, {"name": "https://example.org/x"}, "Max Roe"],
                "datePublished": "2020-03-01T08:00:00+01:00",
            },
        ]
    }
    head = f'<script type="application/ld+json">{json.dumps(node)}</script>'
    head += '<link rel="canonical" href="/2020/03/04/story?utm_source=feed">'
    found = extract(page(story(5), head=head), URL, LATEST)
    assert (found.title, found.author, found.date) == (
        "Tea & bread",
        "Jane Doe, Max Roe",
        "2020-03-01",
    )
    assert (found.url, found.language) == (URL, "en-GB")
    meta = '<meta property="og:title" content="Of tea"><meta name="author" content="J. Doe">'
    found = extract(page(story(5), head=meta), URL, LATEST)
    assert (found.title, found.author, found.date) == ("Of tea", "J. Doe", "2020-03-04")
    found = extract(page(story(5)), "http://example.org/", LATEST)
    assert (found.title, found.author, found.date) == ("A quiet day at the river", "", "")


@pytest.mark.parametrize("day", ["2020-03-07", "1969-01-01", "2020-13-01", "soon", "20200"])
def test_a_date_that_cannot_be_is_none(day):
    head = f'<meta property="article:published_time" content="{day}">'
    assert extract(page(story(5), head=head), "http://example.org/", LATEST).date == ""


def test_a_broken_or_nested_json_ld_is_passed_over():
    for bad in ("{", "[" * 5000, '{"@graph": {"@graph": 3}}', '"text"', "null"):
        head = f'<script type="application/ld+json">{bad}</script>'
        assert extract(page(story(6), head=head), URL, LATEST).text


def test_the_publishers_text_trims_the_ends_and_stands_in_for_a_page_without_one():
    body = paragraphs(7, 8)
    blocks = [
        Block("p", text) for text in ["Our weather at noon today", *body, "Win a journey now"]
    ]
    assert agreed(blocks, "\n".join(body)) == blocks[1:-1]
    teaser = "\n".join(body[:3])
    assert agreed(blocks, teaser) == blocks
    shell = [Block("p", "Please enable scripts to read this story.")]
    assert agreed(shell, "<p>" + "</p><p>".join(body) + "</p>") == blocks[1:-1]


def test_a_large_container_elsewhere_is_taken_over_a_small_find():
    teaser = "<article class='post-content'><p>A short teaser about another story.</p></article>"
    html = f"<html><body>{teaser}<div><div class='x2'>{story(8, 12)}</div></div></body></html>"
    assert paragraphs(8, 12)[7] in text_of(html)


def test_layout_tables_are_read():
    html = f"<html><body><table><tr><td>{story(9)}</td></tr></table></body></html>"
    assert text_of(html) == "\n\n".join(paragraphs(9))


def test_joiners_stay_and_soft_hyphens_go():
    text = (
        "Zu\u00adsam\u00admen\u200bgesetzt, می\u200cخواهم and more words to make it long enough. "
        * 4
    )
    got = text_of(page(f"<p>{text}</p>" + story(1)))
    assert "Zusammengesetzt, می\u200cخواهم" in got


@pytest.mark.parametrize(
    "html",
    [
        page(story(1) + f"<!-- {'x' * article.MAX_CHARS} -->"),
        page(story(1) + "<br>" * article.MAX_TAGS),
        page("<div>" * 300 + story(1) + "</div>" * 300),
    ],
    ids=["chars", "tags", "depth"],
)
def test_beyond_the_budgets_resiliparse_takes_over(html):
    found = extract(html, URL, LATEST)
    assert found.is_beyond_budget
    assert all(text in found.text for text in paragraphs(1))
    assert found.title


def test_absurd_nesting_is_given_up():
    found = extract("<div>" * 9000 + "text", URL, LATEST)
    assert found.is_too_complex
    assert not found.text


def test_order_and_repetition_of_pages_change_nothing():
    shared = "<p>A paragraph that stands on each of the pages, long enough to be remembered.</p>"
    pages = [page(story(seed) + shared * 3, title=f"Story {seed}") for seed in range(12)]
    first = [extract(html, URL, LATEST) for html in pages]
    order = list(range(12)) * 4
    random.Random(0).shuffle(order)
    for number in order:
        assert extract(pages[number], URL, LATEST) == first[number]


TAGS = """
<p> </p> <div\tclass='share'> </div> <table><td> <li> <br> <h2> &#0; <script> </html> <a\thref='x'>
words,\twords \0 <![CDATA[ <body> <article> <blockquote> <pre> <del> <q> </article> <form> <svg><p>
"""
MARKUP = st.lists(st.sampled_from(TAGS.split(" ")), max_size=60)


@given(MARKUP)
def test_any_markup_is_read_and_bytes_add_up(parts):
    html = "".join(parts)
    found = extract(html, URL, LATEST)
    removed = dict(found.removed)
    assert all(num >= 0 for num in removed.values())
    if not found.is_beyond_budget and len(found.text) < len(html):
        assert sum(removed.values()) <= len(html.encode())


def test_dropping_keeps_the_text_behind():
    root, is_whole = html_tree.parse("<html><body><p>a<b>x</b>b</p><i>y</i>c</body></html>")
    assert is_whole
    assert root is not None
    for element in list(root.iter("b", "i")):
        html_tree.drop(element)
    assert root.text_content() == "abc"
