"""The house rules that keep the packages apart."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("corpus", "pipeline", "train")
FORBIDDEN = {
    "corpus": {"pipeline", "train", "apache_beam", "torch", "deepspeed", "transformers"},
    "pipeline": {"train", "torch", "deepspeed", "transformers"},
    "train": {"pipeline", "apache_beam"},
}


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_imports_run_pipeline_to_corpus_from_train(path):
    assert not imports(path) & FORBIDDEN[path.relative_to(ROOT).parts[0]]


@pytest.mark.parametrize("path", modules(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_file_fits_into_a_head(path):
    assert len(path.read_text().splitlines()) <= 400


def test_no_module_has_the_name_of_a_stdlib_module_or_a_dependency():
    distributions = {
        re.split(r"[<>=\[; ]", requirement, maxsplit=1)[0].replace("-", "_")
        for requirement in importlib.metadata.requires("gristmill") or []
    }
    names = {path.stem for path in modules()} - {"__init__", "__main__"}
    assert not names & (set(sys.stdlib_module_names) | distributions)


def test_only_gristmill_owns_the_three_packages():
    owners = importlib.metadata.packages_distributions()
    for package in PACKAGES:
        # An editable install that was made twice is named twice.
        assert set(owners.get(package, ["gristmill"])) == {"gristmill"}


def test_the_distribution_is_private_and_lists_its_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "Private :: Do Not Upload" in project["project"]["classifiers"]
    included = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert included == ["corpus", "pipeline", "pipeline.*", "train"]
    assert not [
        path.parent
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    ]


def test_the_lock_files_are_hashed_and_name_no_registry():
    for name in ("worker", "train", "dev"):
        text = (ROOT / ".constraints" / f"{name}.txt").read_text()
        packages = re.findall(r"^([A-Za-z0-9_.-]+)==", text, flags=re.MULTILINE)
        assert len(packages) > 20
        assert text.count("--hash=sha256:") >= len(packages)
        assert "://" not in text
        assert "+cpu" not in text
