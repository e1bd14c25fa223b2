"""The [[source]] section of a corpus recipe: one origin of text."""

import re
from dataclasses import dataclass, field
from typing import Literal

from corpus import hub_terms
from pipeline.fate import rules as rule_table

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""What sources, earlier corpora and evaluation tasks may be called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One origin of text."""

    name: str
    """Goes into document ids and shard names: lower case letters, digits, `-` and `_`."""
    kind: Literal["wikipedia", "books", "warc", "dataset", "text"]
    """wikipedia: MediaWiki XML dumps, plain, gz or bz2, and Enterprise HTML dumps. books: text,
    Markdown, HTML, EPUB and TEI, in folders, zip and tar archives; tables of sentences. warc: web
    archives such as CC-News, WARC or ARC; the articles of their HTML pages. dataset: files whose
    rows are documents (JSONL, JSON, CSV and TSV, plain, gz, zst or bz2; Parquet; Arrow), or any
    Hugging Face dataset made of such. text: plain text, also gz, zst or bz2, in any usual
    encoding."""
    paths: tuple[str, ...]
    """Paths, URLs or patterns with `*`; a folder stands for all files below it. kind dataset: also
    `hub:owner/name`, `hub:owner/name@revision:configuration:split` or `hub:folder:...` for what
    `datasets.load_dataset` finds under that name, or a folder that `save_to_disk` wrote."""
    language: str = "en"
    """ISO 639 code that the source declares ("pt-BR"); kind dataset: a `language` in `columns`
    overrides it row by row."""
    language_id: Literal["check", "trust"] = "check"
    """check: a document that is found to be in another language than the declared one is dropped.
    trust: the declaration is taken for true, as it must be for a language that the model does not
    know; what was found is recorded all the same."""
    licence: str = "unknown"
    """Goes into the manifest and the dataset card, as SPDX where there is one."""
    rules: dict[str, str | int | float] = field(
        default_factory=lambda: {"preset": rule_table.DEFAULT_PRESET}
    )
    """Quality rules: `preset` names a set of thresholds, other keys override single rules ("off"
    removes one). The default, mlm-default, stands for wiki, books and news in the kinds wikipedia,
    books and warc."""
    columns: dict[str, str] = field(default_factory=lambda: {"text": "text"})
    """kind dataset: which column holds the text and, where there is one, the key (values must be
    unique; the row's place in its file by default), title, author, date, url and language. A
    nested column is written with dots: "meta.url"."""
    document: Literal["file", "line"] = "file"
    """kind text: what is one document."""
    book_column: str = ""
    """kind books, tables of sentences: the column that tells which book a row is of; by default
    the first of book_id, bookid, book, title, book_title, file, filename that is there."""
    sample: float = 1.0
    """Share of the records to take, drawn by a hash of their keys."""
    max_record_mb: int = 64
    """A larger record is rejected, in megabytes of raw input."""
    replace: tuple[Literal["email", "ip", "phone"], ...] = ()
    """What is replaced by values reserved for examples: e-mail addresses, public IP addresses,
    phone numbers (see pipeline/text/pii.py)."""
    boilerplate: Literal["", "host", "title", "author", "date", "url", "language", "source"] = ""
    """Lines that many documents of one group share are cut out of them all; this names the group:
    the host of the document's address, or a column of the documents. Empty: nothing is cut. Of
    books a refrain would be lost."""
    cut_lines: tuple[Literal["c4", "refinedweb"], ...] = ()
    """Line rules whose lines are cut out of the documents."""
    segmenter: Literal["", "icu", "none"] = ""
    """What tells where words begin in scripts that are written without spaces, so that whole words
    can be masked. icu: the dictionaries of ICU, for Chinese, Japanese, Thai, Lao, Burmese and
    Khmer (needs the package icu4py). none: nothing, and each token counts as a word there. By
    default icu where `language` is written so, else none. Rows of a source with a segmenter take
    a bit a token more."""

    def __post_init__(self) -> None:
        """Check the name, the paths and the rules."""
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"name must be lower case letters, digits, '-' or '_', got {self.name!r}"
            )
        if not self.paths:
            raise ValueError("paths is empty; name at least one file")
        hub_terms.check_language(self.language)
        if not 0 < self.sample <= 1:
            raise ValueError(f"sample must be greater than 0 and at most 1, got {self.sample}")
        if not 1 <= self.max_record_mb <= 1024:
            raise ValueError(f"max_record_mb must be between 1 and 1024, got {self.max_record_mb}")
        known = ("text", "key", "title", "author", "date", "url", "language")
        unknown = [name for name in self.columns if name not in known]
        if unknown or "text" not in self.columns:
            raise ValueError(
                f"columns needs `text` and may name {', '.join(known[1:])}; got "
                f"{', '.join(self.columns)}"
            )
        self.thresholds()

    def thresholds(self) -> rule_table.Thresholds:
        """Return the rule thresholds that this source's documents must meet."""
        overrides = {name: value for name, value in self.rules.items() if name != "preset"}
        preset = str(self.rules.get("preset", rule_table.DEFAULT_PRESET))
        return rule_table.thresholds(
            rule_table.preset_for(preset, kind=self.kind), overrides, language=self.language
        )
