"""Strict recipes: TOML tables become frozen dataclasses, and an unknown key is an error.

Both recipes of the project (corpus and model) are read here, so both fail the same way: what is
wrong, where it stands, and what to write instead.
"""

import dataclasses
import difflib
import json
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

T = TypeVar("T")


def read_toml(path: str) -> dict[str, Any]:
    """Read one TOML file.

    Raises:
        ValueError: the file is missing, not readable or not TOML; the message names file and line.
    """
    file = Path(path)
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such recipe file; check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot read the recipe: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from error


_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(table: Mapping[str, Any], *, name: str = "") -> str:
    """Return the one TOML text of a table, keys sorted; `tomllib` reads it back as the same table.

    Args:
        table: of bool, int, float, str, lists of these, tables, and lists of tables.
        name: of the table, in front of the names of those in it.
    """
    lines = []
    inner: list[tuple[str, str, Mapping[str, Any]]] = []
    for key, value in sorted(table.items()):
        shown = key if _BARE.fullmatch(key) else _quoted(key)
        path = f"{name}.{shown}" if name else shown
        if isinstance(value, Mapping):
            inner.append((f"[{path}]", path, value))
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            inner.extend((f"[[{path}]]", path, one) for one in value)
        else:
            lines.append(f"{shown} = {_toml_value(value)}\n")
    # Keys first: what stands behind the head of a table is in that table.
    return "".join(
        [*lines, *(f"\n{head}\n{to_toml(value, name=path)}" for head, path, value in inner)]
    )


def _toml_value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, str):
        return _quoted(value)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's, but that it leaves DEL as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse(cls: type[T], table: Mapping[str, Any], *, where: str) -> T:
    """Make a dataclass from a TOML table.

    Args:
        cls: a dataclass; its fields may be bool, int, float, str, Literal, `X | None`, nested
            dataclasses, `tuple[X, ...]` and `dict[str, X]`.
        table: the parsed TOML.
        where: what to call the table in messages, such as `demo.toml: [mask]`.

    Raises:
        ValueError: an unknown or missing key, or a value of the wrong type or out of range.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # pyright: ignore[reportArgumentType]
    hints = typing.get_type_hints(cls)
    for key in table:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(fields)}"
            raise ValueError(f"{where}: unknown key {key!r}; {hint}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in table:
            values[name] = _convert(hints[name], table[name], where=f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{where}: the key {name!r} is missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def to_table(config: object) -> dict[str, Any]:
    """Return a dataclass as plain dicts, lists and scalars, for JSON and fingerprints."""
    return _plain(dataclasses.asdict(config))  # pyright: ignore[reportArgumentType]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(entry) for entry in value]
    return value


def _convert(hint: Any, value: Any, *, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        options = [option for option in arguments if option is not type(None)]
        for option in options[:-1]:
            try:
                return _convert(option, value, where=where)
            except ValueError:
                continue
        return _convert(options[-1], value, where=where)
    if origin is Literal:
        if value not in arguments:
            known = ", ".join(repr(option) for option in arguments)
            raise ValueError(f"{where}: {value!r} is not one of {known}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where}: expected a list, got {value!r}")
        return tuple(
            _convert(arguments[0], entry, where=f"{where}[{i}]") for i, entry in enumerate(value)
        )
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{where}: expected a table, got {value!r}")
        return {
            key: _convert(arguments[1], entry, where=f"{where}.{key}")
            for key, entry in value.items()
        }
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ValueError(f"{where}: expected a table, got {value!r}")
        return parse(typing.cast("type[Any]", hint), value, where=where)
    return _scalar(hint, value, where=where)


def _scalar(hint: Any, value: Any, *, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # TOML writes 20e9 as a float, and token counts are written so.
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if hint in (int, float, str) and isinstance(value, hint) and not isinstance(value, bool):
        return value
    if hint is bool and isinstance(value, bool):
        return value
    name = getattr(hint, "__name__", str(hint))
    raise ValueError(f"{where}: expected {name}, got {value!r}")
