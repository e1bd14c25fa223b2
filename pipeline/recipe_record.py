"""What a recipe says, as a shard set's manifest records it: without defaults, without paths.

Where the raw text lay on somebody's disk is no property of the rows, and may be private; what it
was is told by the digests in the sets that the shards were made from. A default that is written out
says nothing, so two recipes that mean the same have the same record.
"""

import dataclasses
from typing import Any

from pipeline.recipe import Recipe

PLACES = frozenset({"paths", "path", "data", "language_model", "quality_model"})
"""Fields, of any section, that say where something lies."""


def record(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as its TOML table would be read, but for PLACES and defaults."""
    found = _record(recipe)
    if "row_lengths" in found.get("shards", {}):
        found["shards"]["row_lengths"].sort()  # their order means nothing
    return found


def _record(section: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if field.name in PLACES or value is None or value == default:
            continue
        found[field.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _record(value)
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return value
