"""What a link of wikitext shows, and which links show nothing."""

import re
from collections.abc import Collection

_INTERWIKI = re.compile(r"(?:[a-z]{2,3}|simple|[a-z]{2,3}-[a-z-]{2,12})\Z")
_FILE_NAME = re.compile(
    r"[^\n]*\.(?:jpe?g|png|gif|svg|tiff?|webp|og[gv]|webm|pdf)\Z", re.IGNORECASE
)
_FILE_OPTION = re.compile(r"\s*(?:thumb|thumbnail|frame|frameless|\d{2,4}(?:x\d{2,4})?px)\s*\Z")


def shown(target: str, label: str | None) -> str:
    """Return what a link shows; "[[Paris (Texas)|]]" is the pipe trick, and shows "Paris"."""
    if label is None:
        return target
    return label if label.strip() else target.partition(" (")[0]


def text_of(parts: list[str], *, hidden_prefixes: Collection[str]) -> str | None:
    """Return the text of a link.

    Args:
        parts: what stands between its pipes, the first is the target.
        hidden_prefixes: lower-case prefixes of files and categories.

    Returns:
        None if it shows nothing: a file, a category, a link to the article in another language.
    """
    target = parts[0].strip()
    prefix, colon, rest = target.partition(":")
    if colon and prefix:
        # Files of a wiki whose own prefix we were not told show by their name or options.
        is_hidden = (
            prefix.strip().lower() in hidden_prefixes
            or len(parts) > 2
            or _FILE_NAME.match(target) is not None
            or any(_FILE_OPTION.match(part) for part in parts[1:])
        )
        if is_hidden or (_INTERWIKI.match(prefix) and len(parts) == 1 and "\n" not in rest):
            return None
    if "\n" in target and len(parts) == 1:
        return parts[0]  # no link at all
    label = "|".join(parts[1:]) if len(parts) > 1 else None
    if target.startswith(("http://", "https://", "//")) and label is None:
        label = target.partition(" ")[2] or " "
    return shown(target.removeprefix(":"), label)
