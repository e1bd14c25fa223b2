"""A split: what one worker reads of the raw files, and what a raw file is to the plan."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from corpus import identity


@dataclass(frozen=True, kw_only=True, slots=True)
class RawFile:
    """One raw file as the plan knows it."""

    source: str
    kind: str
    """Of its source: a key of readers.READERS."""
    url: str
    num_bytes: int
    sha256: str
    form: str
    """What the file is, in the words of its kind's reader: bz2, warc, epub, parquet, ..."""
    cuts: tuple[int, ...]
    """Byte offsets where splits begin; the first is 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One of several small files that one worker reads."""

    url: str
    sha256: str
    form: str
    num_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """The bytes from `start` to before `end` of one raw file; or a group of whole small files."""

    source: str
    url: str
    """Empty for a group."""
    sha256: str
    """Of the whole raw file; of a group, over its members' digests."""
    form: str
    start: int
    end: int
    is_last: bool
    """Whether the raw file ends with this split."""
    members: tuple[Member, ...] = ()
    """The files of a group, in the order of their digests."""


def to_json(split: Split) -> dict[str, Any]:
    """Return a split as plain JSON, for a part's inputs."""
    return asdict(split)


def from_json(values: dict[str, Any]) -> Split:
    """Return the split that `to_json` wrote."""
    members = tuple(Member(**member) for member in values["members"])
    return Split(**{**values, "members": members})


def whole_files(split: Split) -> list[Member]:
    """Return the files of a split that is never a piece of one: its members, or its one file."""
    own = Member(url=split.url, sha256=split.sha256, form=split.form, num_bytes=split.end)
    return list(split.members) or [own]


def cut(file: RawFile) -> list[Split]:
    """Cut a raw file at its cuts."""
    ends = (*file.cuts[1:], file.num_bytes)
    return [
        Split(
            source=file.source,
            url=file.url,
            sha256=file.sha256,
            form=file.form,
            start=start,
            end=end,
            is_last=end == file.num_bytes,
        )
        for start, end in zip(file.cuts, ends, strict=True)
    ]


def group(files: Sequence[RawFile], *, group_bytes: int) -> list[Split]:
    """Put small files of one source together, so that a thousand files are not a thousand parts.

    A file's group is given by the first bits of its digest, and the number of groups is the power
    of two that makes them about `group_bytes` large: one more file changes one group, and all of
    them only each time that the source has doubled.
    """
    total = sum(file.num_bytes for file in files)
    bits = max(0, (total // group_bytes).bit_length() - 1)
    groups: dict[int, list[RawFile]] = {}
    for file in sorted(files, key=lambda file: file.sha256):
        groups.setdefault(int(file.sha256[:8], 16) >> (32 - bits), []).append(file)
    return [
        Split(
            source=members[0].source,
            url="",
            sha256=identity.fingerprint([[file.sha256, file.form] for file in members]),
            form="group",
            start=0,
            end=sum(file.num_bytes for file in members),
            is_last=True,
            members=tuple(
                Member(url=file.url, sha256=file.sha256, form=file.form, num_bytes=file.num_bytes)
                for file in members
            ),
        )
        for _, members in sorted(groups.items())
    ]
