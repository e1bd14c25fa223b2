"""Cut spans out of a text, as fates records them, without leaving a gap."""

from collections.abc import Iterable, Mapping


def cut(text: str, spans: Iterable[Mapping[str, int]]) -> str:
    """Return a text without some of its bytes.

    A line of which nothing but white space is left goes with its line feed, and where it stood
    between blank lines one of these is enough: paragraphs stay as far apart as they were.

    Args:
        text: the text.
        spans: `start` and `end` of each, in bytes of its UTF-8, in order and disjoint, at the
            borders of characters.
    """
    data = text.encode()
    ends = [(span["start"], span["end"]) for span in spans]
    if not ends:
        return text
    kept: list[bytes] = []
    is_gap = False  # something was cut behind the last line that is not blank
    at = place = 0
    for line in data.split(b"\n"):
        begin, end = at, at + len(line)
        at = end + 1
        left, position = b"", begin
        while place < len(ends) and ends[place][0] < end:
            start, stop = ends[place]
            left += data[position : max(position, start)]
            position = max(position, min(stop, end))
            if stop > end:
                break  # it goes on in the next line
            place += 1
        left += data[position:end]
        is_cut = len(left) < len(line)
        if left.strip():
            kept.append(left)
            is_gap = False
        elif is_cut:
            is_gap = True
        elif not (is_gap and (not kept or not kept[-1].strip())):
            kept.append(left)
    while is_gap and kept and not kept[-1].strip():
        kept.pop()
    return b"\n".join(kept).decode()
