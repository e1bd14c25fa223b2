"""What a recipe says of licences and languages, in the words that the Hugging Face hub knows.

The hub checks the front matter of a dataset card: a licence is one of its identifiers or `other`
with a name, a language a code of ISO 639. Recipes may say more, which stands in the card's tables.
"""

import re
from collections.abc import Iterable

_LANGUAGE = re.compile(
    r"[a-z]{2,3}"  # ISO 639
    r"(-[A-Za-z]{4})?"  # script
    r"(-([A-Za-z]{2}|[0-9]{3}))?"  # region
    r"(-[A-Za-z0-9]{5,8})*"  # variants
)

# As the hub spells them; SPDX identifiers differ from many in capitals only.
_LICENCES = frozenset(
    """
    apache-2.0 mit bsd-2-clause bsd-3-clause cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
    cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-permissive-1.0
    cdla-permissive-2.0 cdla-sharing-1.0 etalab-2.0 gfdl odbl odc-by pddl unlicense mpl-2.0 gpl-2.0
    gpl-3.0 lgpl-3.0 agpl-3.0 unknown
    """.split()  # noqa: SIM905 - a list literal of these would fill the page
)
_SPDX = {
    "odbl-1.0": "odbl",
    "odc-by-1.0": "odc-by",
    "pddl-1.0": "pddl",
    **dict.fromkeys(("gfdl-1.1", "gfdl-1.2", "gfdl-1.3"), "gfdl"),
}
OTHER = "other"


def check_language(tag: str) -> None:
    """Check that a tag is of BCP 47: a language, and perhaps its script, region and variants.

    Raises:
        ValueError: it is not; the message says how to write one.
    """
    if not _LANGUAGE.fullmatch(tag):
        raise ValueError(
            "language must be a code of ISO 639 in lower case, such as 'en' or 'nds', perhaps with "
            f"a script or region, as in 'zh-Hant' or 'pt-BR'; got {tag!r}"
        )


def languages(tags: Iterable[str]) -> list[str]:
    """Return the codes of ISO 639 in BCP 47 tags, each once, sorted; what is no tag has none."""
    return sorted({tag.partition("-")[0] for tag in tags if _LANGUAGE.fullmatch(tag)})


def licence(name: str) -> str:
    """Return the hub's identifier of a licence, `other` where it has none."""
    found = re.sub(r"-(only|or-later)$", "", name.strip().lower())
    found = _SPDX.get(found, found)
    return found if found in _LICENCES else OTHER


def licence_name(names: Iterable[str]) -> str:
    """Return what the hub is to call licences that it does not know, "" if nothing can be said.

    It takes lower-case letters, digits, `-` and `.` only.
    """
    words = (re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") for name in names)
    return "-and-".join(sorted({word for word in words if word}))
