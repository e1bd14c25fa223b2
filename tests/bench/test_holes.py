"""Holes and prose kept in Wikipedia text, beside mwparserfromhell: `pip install mwparserfromhell`.

The template tables were made while looking at enwiki-p10-shortened, so pages that nobody looked at
are measured too.
"""

import bz2
import importlib.util
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pipeline.wiki import dump, wikitext
from pipeline.wiki.wikipages import is_disambiguation

pytestmark = pytest.mark.bench


def load_holes():
    path = Path(__file__).with_name("holes.py")
    spec = importlib.util.spec_from_file_location("bench_holes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def seen_pages(
    real_data: Path, name: str = "enwiki-p10-shortened.xml.bz2"
) -> list[tuple[str, str]]:
    content = bz2.decompress((real_data / "wikipedia" / name).read_bytes())
    return [
        (page.title, page.text)
        for page in dump.pages([content])
        if isinstance(page, dump.Page) and page.namespace == 0 and not page.redirect
    ]


def unseen_pages(real_data: Path) -> list[tuple[str, str]]:
    found = seen_pages(real_data, "enwiki-table-markup.xml.bz2")
    for path in sorted((real_data / "wikipedia/single_pages").glob("*wiki-*.xml")):
        if path.name.startswith(("enwiki", "simplewiki")):
            content = path.read_bytes()
            begin, end = content.index(b"<page>"), content.rindex(b"</page>") + len(b"</page>")
            page = ET.fromstring(content[begin:end])
            found.append((page.findtext("title", ""), page.findtext("revision/text", "")))
    return found


@pytest.mark.parametrize("pages", [seen_pages, unseen_pages], ids=["seen", "unseen"])
def test_hole_rate(real_data, pages, capsys):
    pytest.importorskip("mwparserfromhell")
    holes = load_holes()
    chosen = [
        (title, text)
        for title, text in pages(real_data)
        if not is_disambiguation(text, title=title)
    ]
    contexts = [holes.contexts(text) for _, text in chosen]
    rates = {
        "gristmill": holes.measure(
            [wikitext.plain_text(text, title=title).text for title, text in chosen], contexts
        ),
        "strip_code, as huggingface/wikipedia": holes.measure(
            [holes.huggingface_text(text) for _, text in chosen], contexts
        ),
        "strip_code": holes.measure([holes.plain_strip_code(text) for _, text in chosen], contexts),
    }
    with capsys.disabled():
        print(f"\n{len(chosen)} articles, {rates['gristmill'].num_templates} templates in prose")
        print(holes.HEADER)
        for name, rate in rates.items():
            print(rate.show(name))
    ours = rates.pop("gristmill")
    for rate in rates.values():
        assert ours.num_gaps * 10 <= rate.num_gaps
        if pages is seen_pages:
            assert ours.num_sentences >= rate.num_sentences
