"""Recipes are strict, and their errors name the key, the value and the cure."""

import tomllib
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import recipe


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: tuple[float, ...] = (0.3, 0.15)
    mode: Literal["a", "b"] = "a"

    def __post_init__(self):
        if any(rate > 1 for rate in self.rate):
            raise ValueError(f"rate must be at most 1, got {self.rate}")


@dataclass(frozen=True, kw_only=True)
class Outer:
    tokens: int
    name: str | None = None
    weights: dict[str, float] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()


def test_nested_tables_become_dataclasses():
    got = recipe.parse(
        Outer,
        {
            "tokens": 2e9,
            "weights": {"a": 1},
            "inner": {"rate": [1, 0.5]},
            "many": [{"mode": "b"}],
        },
        where="r.toml",
    )
    assert got == Outer(
        tokens=2_000_000_000,
        weights={"a": 1.0},
        inner=Inner(rate=(1.0, 0.5)),
        many=(Inner(mode="b"),),
    )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"tokens": 1, "tokns": 2}, "r.toml: unknown key 'tokns'; did you mean 'tokens'?"),
        ({}, "r.toml: the key 'tokens' is missing"),
        ({"tokens": "many"}, "r.toml.tokens: expected int, got 'many'"),
        ({"tokens": 1.5}, "r.toml.tokens: expected int, got 1.5"),
        ({"tokens": True}, "r.toml.tokens: expected int, got True"),
        ({"tokens": 1, "name": 3}, "r.toml.name: expected str, got 3"),
        ({"tokens": 1, "inner": {"mode": "c"}}, "r.toml.inner.mode: 'c' is not one of 'a', 'b'"),
        ({"tokens": 1, "inner": {"rate": 0.3}}, "r.toml.inner.rate: expected a list, got 0.3"),
        ({"tokens": 1, "inner": {"rate": [2]}}, "r.toml.inner: rate must be at most 1"),
        ({"tokens": 1, "inner": 5}, "r.toml.inner: expected a table, got 5"),
        ({"tokens": 1, "many": [{"mde": "a"}]}, "r.toml.many[0]: unknown key 'mde'"),
    ],
)
def test_a_wrong_table_says_what_and_where(table, says):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole message is compared
        recipe.parse(Outer, table, where="r.toml")
    assert says in str(raised.value)


def test_a_file_that_is_no_toml_names_the_line(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text("a = 1\nb = = 2\n")
    with pytest.raises(ValueError, match=r"r\.toml: not valid TOML.*line 2"):
        recipe.read_toml(str(path))
    with pytest.raises(ValueError, match="no such recipe file"):
        recipe.read_toml(str(tmp_path / "absent.toml"))


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
scalars = words | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
tables = st.recursive(
    st.dictionaries(words, scalars | st.lists(scalars, max_size=3), max_size=3),
    lambda inner: st.dictionaries(
        words, scalars | inner | st.lists(inner, min_size=1, max_size=2), max_size=3
    ),
    max_leaves=8,
)


@given(tables)
def test_a_table_is_read_back_from_its_toml(table):
    assert tomllib.loads(recipe.to_toml(table)) == table
