"""Where the files of a Hugging Face dataset are: a hub name, or a folder that `datasets` reads.

`datasets` resolves a name to files (configuration, split, commit); the files themselves are read
by our own readers, for which a damaged one costs only itself. An address of the hub names the
commit, and the identity of the documents is the content of the files in any case.
"""

import json
import re
from typing import Any

from corpus import storage

PREFIX = "hub:"
_FORMS = ("parquet", "json", "arrow", "csv")
_NAME = re.compile(
    r"(?P<path>[./][^:]*|[^:@]+)(?:@(?P<revision>[^:]+))?"
    r"(?::(?P<config>[^:]*))?(?::(?P<split>[^:]+))?"
)
_NO_DATA = {
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "state.json",
    "config.json",
    "croissant.json",
    ".gitattributes",
}
_NO_DATA_ENDINGS = (".md", ".py", ".lock", ".txt", ".yaml", ".yml", ".png", ".jpg")


def files(pattern: str) -> list[str]:
    """Return the data files that a path of a source of kind `dataset` stands for.

    Args:
        pattern: `hub:owner/name`, `hub:owner/name@revision:configuration:split` (each part may be
            left out; the split is then `train`, or the only one), `hub:folder:...` for a local
            folder with the same rules, or a path or pattern as for any other kind. A folder stands
            for the data files below it; one written by `save_to_disk` for its Arrow files.

    Raises:
        ValueError: the dataset cannot be found or reached, or is none of text.
    """
    if pattern.startswith(PREFIX):
        return _resolved(pattern)
    local = storage.local_path(pattern)
    found = storage.files(pattern)
    if local is not None and not local.is_dir():
        return found
    return [url for url in found if _is_data(url)]


def _is_data(url: str) -> bool:
    name = url.rsplit("/", 1)[-1]
    return name not in _NO_DATA and not name.startswith(".") and not name.endswith(_NO_DATA_ENDINGS)


def _resolved(pattern: str) -> list[str]:
    # Imported here: it takes a second, and only such sources need it.
    import datasets
    from datasets.exceptions import DatasetNotFoundError

    match = _NAME.fullmatch(pattern.removeprefix(PREFIX))
    if match is None:
        raise ValueError(
            f"{pattern}: not a dataset's name; write hub:owner/name, or "
            "hub:owner/name@revision:configuration:split"
        )
    saved = _saved(match["path"], match["split"] or match["config"], pattern)
    if saved is not None:
        return saved
    try:
        builder: Any = datasets.load_dataset_builder(
            match["path"], match["config"] or None, revision=match["revision"]
        )
    except (DatasetNotFoundError, FileNotFoundError) as error:
        raise ValueError(
            f"{pattern}: no such dataset: {error}; check the name, or log in (`hf auth login`) if "
            "it is private or gated"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{pattern}: cannot be found: {error}; without a network (or with HF_HUB_OFFLINE=1) "
            "download it where there is one (`hf download --repo-type dataset owner/name "
            "--local-dir folder`) and name that folder"
        ) from error
    form = type(builder).__module__.rsplit(".", 1)[-1]
    if form not in _FORMS:
        raise ValueError(
            f"{pattern}: made of {form} files, which kind `dataset` does not read; it reads "
            "Parquet, JSON, Arrow and CSV (kind `text` reads .txt files)"
        )
    by_split = {str(name): list(urls) for name, urls in builder.config.data_files.items()}
    return sorted(by_split[_choose(match["split"], by_split, pattern)])


def _choose(wanted: str | None, names: Any, pattern: str) -> str:
    names = list(names)
    split = wanted or (names[0] if len(names) == 1 else "train")
    if split not in names:
        raise ValueError(
            f"{pattern}: no split {split!r}; it has {', '.join(names)}: write {PREFIX}name::split"
        )
    return split


def _saved(path: str, split: str | None, pattern: str) -> list[str] | None:
    """Return the Arrow files of a folder that `save_to_disk` wrote, or None if it did not."""
    if storage.local_path(path) is None or not storage.exists(path):
        return None
    splits = storage.join(path, "dataset_dict.json")
    if storage.exists(splits):
        names = json.loads(storage.read_bytes(splits))["splits"]
        path = storage.join(path, _choose(split, names, pattern))
    state = storage.join(path, "state.json")
    if not storage.exists(state):
        return None
    named = json.loads(storage.read_bytes(state))["_data_files"]
    return sorted(storage.join(path, one["filename"]) for one in named)
