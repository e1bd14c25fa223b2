"""Languages of a recipe are tags of BCP 47, which a card can give as codes of ISO 639."""

import pytest

from corpus import hub_terms


@pytest.mark.parametrize(
    "tag", ["en", "nds", "und", "pt-BR", "zh-Hant", "zh-Hant-TW", "zh-cn", "es-419", "be-tarask"]
)
def test_tags_of_bcp_47_are_known(tag):
    hub_terms.check_language(tag)
    assert hub_terms.languages([tag, tag]) == [tag.split("-")[0]]


@pytest.mark.parametrize(
    "tag", ["", "English", "EN", "e", "xx-yy-zz", "en_US", "en-", "zh-min-nan", "en\n", "simple"]
)
def test_other_names_are_refused_with_an_example(tag):
    with pytest.raises(ValueError, match=r"such as 'en' or 'nds'.*got '"):
        hub_terms.check_language(tag)
    assert hub_terms.languages([tag]) == []
