"""Exports of every age, wikis of any language: namespaces, redirects, disambiguation, addresses."""

import pytest

from pipeline.wiki import siteinfo, wikitext
from pipeline.wiki.dump import BadPage, Page, pages
from pipeline.wiki.wikipages import is_disambiguation, is_redirect

OLD = b"""<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.3/" version="0.3" xml:lang="de">
<siteinfo><sitename>W</sitename><base>http://de.wikipedia.org/wiki/Hauptseite</base>
<namespaces><namespace key="-2">Media</namespace><namespace key="0" />
<namespace key="1">Diskussion</namespace><namespace key="6">Datei</namespace>
<namespace key="14">Kategorie</namespace><namespace key="100">Portal</namespace></namespaces>
</siteinfo>
"""


def old_page(title: str, text: str = "x", extra: str = "") -> bytes:
    """Return a page as exports before 0.6 have it: without its namespace."""
    return (
        f"<page><title>{title}</title><id>7</id>{extra}<revision><id>1</id>"
        f"<text xml:space='preserve'>{text}</text></revision></page>"
    ).encode()


@pytest.mark.parametrize(
    ("title", "namespace"),
    [
        ("Katze", 0),
        ("Diskussion:Katze", 1),
        ("diskussion: Katze", 1),
        ("Talk:Katze", 1),
        ("Portal:Katze", 100),
        ("Kategorie:Katzen", 14),
        ("Category:Katzen", 14),
        ("User talk:Tom", 3),
        ("User_talk:Tom", 3),
        ("Star Trek: Katzen", 0),
        (":Katze", 0),
    ],
)
def test_before_0_6_the_prefix_of_a_title_names_its_namespace(title: str, namespace: int):
    info = siteinfo.parse(OLD)
    (page,) = pages([OLD + old_page(title)], siteinfo=info)
    assert isinstance(page, Page)
    assert page.namespace == namespace


def test_without_siteinfo_a_namespace_is_not_guessed():
    for info in (None, siteinfo.parse(b"<mediawiki>")):
        (page,) = pages([old_page("Katze")], siteinfo=info)
        assert isinstance(page, BadPage)
        assert page.reason == "no_namespace"


def test_a_stated_namespace_wins_and_a_damaged_one_is_no_guess():
    info = siteinfo.parse(OLD)
    (page,) = pages([old_page("Talk:x", extra="<ns>0</ns>")], siteinfo=info)
    assert isinstance(page, Page)
    assert page.namespace == 0
    (page,) = pages([old_page("x", extra="<ns>zero</ns>")], siteinfo=info)
    assert isinstance(page, BadPage)


def test_the_redirect_flag_of_old_exports_has_no_title():
    (page,) = pages([old_page("x", extra="<ns>0</ns><redirect />")])
    assert isinstance(page, Page)
    assert page.redirect


@pytest.mark.parametrize(
    "text",
    [
        "#REDIRECT [[A]]",
        "#redirect[[A]]",
        "\n #Redirect: [[A]] {{R from x}}",
        "#WEITERLEITUNG [[A]]",
        "#Redirection [[A]]",
        "#ПЕРЕНАПРАВЛЕНИЕ [[А]]",
        "#перенаправлення [[А]]",
        "#重定向 [[甲]]",
        "#転送 [[甲]]",
        "#넘겨주기 [[가]]",
        "#DOORVERWIJZING [[A]]",
        "#تحويل [[ا]]",
        "#REDIRECCIÓN [[A]]",
    ],
)
def test_redirect_words_of_many_languages(text: str):
    assert is_redirect(text)


@pytest.mark.parametrize(
    "text", ["# first\n# second", "#REDIRECT", "#redirected [[a]]", "A #REDIRECT [[b]]", ""]
)
def test_a_numbered_list_is_no_redirect(text: str):
    assert not is_redirect(text)


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Mercury", "'''Mercury''' may be:\n* [[a]]\n{{disambiguation}}"),
        ("Mercury", "'''Mercury''':\n* [[a]]\n\n{{Disambig|geo|hndis}}"),
        ("Mercury", "* [[a]]\n{{wiktionary}}{{dab}}"),
        ("Merkur", "* [[a]]\n{{Begriffsklärung}}"),
        ("Mercure", "{{ homonymie }}\n* [[a]]"),
        ("Меркурий", "* [[a]]\n{{неоднозначность|тип=x}}"),
        ("水星", "* [[a]]\n{{曖昧さ回避}}"),
        ("USS Toy", "* [[a]]\n{{set index article}}"),
        ("HMS Toy", "* [[a]]\n<!-- x -->{{Ship_index}}"),
        ("Smith", "'''Smith''' is a name.\n* [[a]]\n* [[b]]\n* [[c]]\n{{surname}}"),
        ("Mercury (disambiguation)", "x"),
        ("Mercurio (desambiguación)", "x"),
        ("Mercury", "x __DISAMBIG__"),
    ],
)
def test_disambiguation_and_set_index_pages(title: str, text: str):
    assert is_disambiguation(text, title=title)


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Mercury (planet)", "{{for|the element|Mercury (element)}}\n{{other uses}}\nA planet."),
        ("Toy", "It was made by [[Smith]]{{disambiguation needed|date=May 2010}} and sold."),
        ("Toy", "{{about|x}}{{Begriffsklärungshinweis}}\nA toy. {{dn}}"),
        ("Smith", "A name.\n\nIt is old.\n\nIt is common.\n* [[a]]\n* [[b]]\n{{surname}}"),
        ("Disambiguation", "In linguistics, word sense disambiguation is the task."),
        ("Toy", "A toy {{disambiguation}} in a sentence."),
        ("Toy", "{{disambiguation needed}}\nA toy."),
    ],
)
def test_an_article_is_not_lost_for_a_hatnote_or_a_tag(title: str, text: str):
    assert not is_disambiguation(text, title=title)


@pytest.mark.parametrize(
    ("base", "title", "url"),
    [
        ("https://en.wikipedia.org/wiki/Main_Page", "A b (c)", "https://en.wikipedia.org/wiki/A_b_(c)"),
        ("https://x.org/wiki/a/b", "AC/DC: é?", "https://x.org/wiki/AC/DC:_%C3%A9%3F"),
        ("https://x.org/w/index.php/Main", "A", "https://x.org/w/index.php/A"),
        ("", "A", ""),
    ],
)  # fmt: skip
def test_a_page_has_the_address_that_mediawiki_gives_it(base: str, title: str, url: str):
    head = f"<mediawiki xml:lang='simple'><siteinfo><base>{base}</base></siteinfo>".encode()
    info = siteinfo.parse(head)
    assert info.url_of(title) == url
    assert info.language == "simple"


@pytest.mark.parametrize(
    "heading",
    ["References", "Einzelnachweise", "Voir aussi", "Enlaces externos", "Примечания", "См. также",
     "参考文献", "脚注", "외부 링크", "Przypisy", "Collegamenti esterni", "المراجع",
     "קישורים חיצוניים",
     "Externa länkar", "Kaynakça", "Tham khảo", "Ver também", "Lähteet", "Jegyzetek",
     "Зовнішні посилання"],
)  # fmt: skip
def test_reference_sections_go_in_the_language_of_the_wiki(heading: str):
    markup = f"Text.\n== {heading} ==\n* [[a]]\n=== Sub ===\n* b\n== Later ==\nMore."
    assert wikitext.plain_text(markup, title="x").text == "Text.\n\nLater\n\nMore."


@pytest.mark.parametrize(
    "link", ["Datei:x.jpg|mini|y", "Fichier:x|y", "Файл:x|мини", "ファイル:x.png|y", "קובץ:x|y",
             "Categoría:x", "分类:x", "Kategorie:x|y", "Image:x|y", "Tập tin:x|y"],
)  # fmt: skip
def test_files_and_categories_are_known_without_siteinfo(link: str):
    assert wikitext.plain_text(f"A [[{link}]] b.", title="x", language="").text == "A b."


def test_words_of_ours_are_added_in_english_articles_only():
    markup = "X ({{lang-de|Katze}}), {{convert|5|km|mi}}, {{birth date|1990|5|3}}, {{as of|2010}}."
    shown = {
        code: wikitext.plain_text(markup, title="x", language=code).text
        for code in ("en", "de", "eo", "")
    }
    assert shown["en"] == "X (German: Katze), 5 kilometres, May 3, 1990, As of 2010."
    assert shown["de"] == "X (Katze), 5 km, 3. Mai 1990, 2010."
    assert shown["eo"] == shown[""] == "X (Katze), 5 km, 1990-05-03, 2010."
