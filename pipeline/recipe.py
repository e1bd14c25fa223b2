"""The corpus recipe: which text, which rules, which rows.

Each section is the part of a stage's identity that a person writes; a field that cannot change a
stage's output (a path, a name for people) stays out of that stage's section.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from corpus import hub_terms, recipe
from corpus.schemas import MAX_ROW_LENGTH
from pipeline.fate import rules as rule_table

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
SHIPPED = Path(__file__).parent / "recipes"


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
    """ISO 639 code that the source declares ("pt-BR"); `language` in `columns` says it by row."""
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

    def __post_init__(self) -> None:
        """Check the name, the paths and the rules."""
        if not _NAME.fullmatch(self.name):
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """A corpus made before: what stands in it already is left out of this one."""

    name: str
    """What matches and fates call it."""
    data: str = ""
    """DATA folder or URL of its sets; by default the one of this run."""
    corpus: str = ""
    """The corpus's name there, or the id of its fates set (of its measures set, for all its
    documents); by default `name`."""
    which: Literal["kept", "all"] = "kept"
    """Which of its documents count: those that its fates kept, or all."""

    def __post_init__(self) -> None:
        """Check the name."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"name must be lower case letters, digits, '-' or '_', got {self.name!r}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """A task that models are evaluated on: its examples must not stand in the training text."""

    name: str
    """What the report calls it."""
    paths: tuple[str, ...]
    """Paths, URLs or patterns with `*`: JSONL, JSON, CSV and TSV (also gz, zst, bz2), Parquet and
    Arrow where `columns` are named, else plain text, an example a line."""
    columns: tuple[str, ...] = ()
    """Which columns of a table hold text; nested ones with dots. Each is looked for on its own,
    and all that stand in one row are one example."""
    header: bool = True
    """CSV and TSV: whether the first row names the columns. If not, they are called "1", "2"."""

    def __post_init__(self) -> None:
        """Check the name and the paths."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"name must be lower case letters, digits, '-' or '_', got {self.name!r}"
            )
        if not self.paths:
            raise ValueError("paths is empty; name at least one file")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """What is measured of each document."""

    language_model: str = ""
    """A fastText language model (lid.176.bin or .ftz, GlotLID, OpenLID), as a path or URL; by
    default CLD2, which needs no file."""
    quality_model: str = ""
    """A fastText classifier (.bin or .ftz) or a KenLM model (.binary, .klm or .arpa; needs the
    package kenlm), as a path or URL, that scores each text for the rule min_quality_score."""
    quality_label: str = ""
    """Of a classifier the class whose probability is the score, such as "__label__hq"."""

    def __post_init__(self) -> None:
        """Check that the label is a model's."""
        if self.quality_label and not self.quality_model:
            raise ValueError(
                f"quality_label = {self.quality_label!r} without a quality_model; name its file"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Matches:
    """Near duplicates: MinHash LSH finds candidates, exact Jaccard decides.

    Also what else a document may share its text with: an earlier corpus, examples of an evaluation
    task, the other pages of its site.
    """

    num_permutations: int = 256
    """Length of a signature."""
    bands: int = 32
    """Bands of num_permutations / bands rows: 32 x 8 finds 99.7 % of pairs at J = 0.8."""
    shingle_words: int = 5
    """Words per shingle."""
    seed: int = 1
    """Of the permutations, as datasketch takes it."""
    earlier: tuple[Earlier, ...] = ()
    """Corpora made before, whose documents are left out of this one."""
    contamination_words: int = 13
    """Words of an evaluation example that, standing in a document one after the other, tell that
    it contains the example."""
    contamination_least_words: int = 8
    """A shorter example is looked for as a whole, if it has so many words; else it is left out of
    account, since such short texts stand everywhere, and counted."""
    boilerplate_documents: int = 3
    """A line in so many different documents of one group is boilerplate."""
    boilerplate_words: int = 8
    """Shorter lines are never cut as boilerplate."""

    def __post_init__(self) -> None:
        """Check that bands divide the signature, and the ranges."""
        names = [earlier.name for earlier in self.earlier]
        if len(set(names)) < len(names):
            raise ValueError(f"two earlier corpora have one name: {', '.join(names)}")
        if not 1 <= self.contamination_least_words <= self.contamination_words <= 64:
            raise ValueError(
                "contamination_least_words must be at least 1, and contamination_words at least "
                f"that and at most 64, got {self.contamination_least_words} and "
                f"{self.contamination_words}"
            )
        if self.boilerplate_documents < 2 or self.boilerplate_words < 1:
            raise ValueError(
                "boilerplate_documents must be at least 2 and boilerplate_words at least 1, got "
                f"{self.boilerplate_documents} and {self.boilerplate_words}"
            )
        if not 16 <= self.num_permutations <= 1024:
            raise ValueError(
                f"num_permutations must be between 16 and 1024, got {self.num_permutations}"
            )
        if self.bands < 1 or self.num_permutations % self.bands:
            raise ValueError(
                f"bands must divide num_permutations ({self.num_permutations}), got {self.bands}"
            )
        if not 1 <= self.shingle_words <= 32:
            raise ValueError(f"shingle_words must be between 1 and 32, got {self.shingle_words}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fates:
    """Which documents are kept, and which of those are held out."""

    near_duplicate: float = 0.8
    """Jaccard similarity from which two documents count as the same; at least 0.7. Above 0.9 it is
    `matches` that must be made anew for another one (clusters.cover)."""
    contamination: float = 0.5
    """Share of an evaluation example's word n-grams from which a document counts as holding it; 0:
    one n-gram is enough. Half, as Lambert et al. 2024 (Tulu 3) have it for an example's tokens."""
    held_out: float = 0.005
    """Share of duplicate clusters set aside for evaluation."""
    seed: int = 0
    """Of the held-out choice."""
    min_language_score: float | None = None
    """Share, from 0 to 1, that the language model must give a document's language; by default the
    model's own published value: 0.51 of the text with CLD2, probability 0.65 with fastText."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.min_language_score is not None and not 0 <= self.min_language_score <= 1:
            raise ValueError(
                f"min_language_score must be between 0 and 1, got {self.min_language_score}"
            )
        if not 0 <= self.contamination <= 1:
            raise ValueError(f"contamination must be between 0 and 1, got {self.contamination}")
        if not 0.7 <= self.near_duplicate <= 1:
            raise ValueError(
                "near_duplicate must be between 0.7 (the least similarity that `matches` keeps) "
                f"and 1, got {self.near_duplicate}"
            )
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out must be at least 0 and less than 1, got {self.held_out}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokenizer:
    """A tokenizer trained on a sample, or one that is pinned."""

    kind: Literal["bpe", "wordpiece"] = "bpe"
    """bpe: byte-level BPE, which spells every text. wordpiece: with BERT's normalizer and words; a
    word with a rare character is [UNK]."""
    lowercase: bool = True
    """Of wordpiece: fold case and strip accents, as BERT uncased."""
    vocabulary: int = 32768
    """Entries, special tokens included: a multiple of 64."""
    sample_mb: int = 512
    """How much text to train on, in megabytes over all sources."""
    path: str | None = None
    """Pinned: a folder with tokenizer.json, or that file; the keys above then do not count."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.vocabulary % 64 or not 320 <= self.vocabulary <= 1 << 20:
            raise ValueError(
                "vocabulary must be a multiple of 64 between 320 (256 bytes and the special "
                f"tokens) and 1048576, got {self.vocabulary}"
            )
        if self.sample_mb < 1:
            raise ValueError(f"sample_mb must be at least 1, got {self.sample_mb}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shards:
    """Packed rows."""

    row_lengths: tuple[int, ...] = (512,)
    """Tokens per row, special tokens included; one set of rows for each length."""
    packing: Literal["best_fit", "concat", "doc", "pair"] = "best_fit"
    """best_fit: whole documents where they fit, long ones cut at ends of sentences, rows full.
    concat: documents one after another, cut where a row ends. doc: a document a row. pair: two
    segments a row, for NSP and SOP (see layouts.py)."""
    bin_mb: int = 64
    """Text of the documents that are packed together and make one shard, in megabytes."""
    target_rate: float = 0.15
    """Share of the held-out tokens on which loss is measured."""
    seed: int = 0
    """Of bins and held-out targets."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.row_lengths:
            raise ValueError("row_lengths is empty; name at least one length, such as [512]")
        for length in self.row_lengths:
            if not 8 <= length <= MAX_ROW_LENGTH:
                raise ValueError(f"row_lengths must be 8 to {MAX_ROW_LENGTH} tokens, got {length}")
        if len(set(self.row_lengths)) < len(self.row_lengths):
            raise ValueError(f"row_lengths names a length twice: {list(self.row_lengths)}")
        if self.bin_mb < 1:
            raise ValueError(f"bin_mb must be at least 1, got {self.bin_mb}")
        if not 0 < self.target_rate < 1:
            raise ValueError(f"target_rate must be between 0 and 1, got {self.target_rate}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A whole corpus recipe."""

    name: str
    """Names the corpus in DATA/corpora/; a model recipe may refer to it."""
    source: tuple[Source, ...]
    """The order is the priority: of duplicates, the copy in the earliest source survives."""
    evaluation: tuple[Evaluation, ...] = ()
    """Tasks whose examples are looked for in every document."""
    measures: Measures = field(default_factory=Measures)
    """Numbers beside the text."""
    matches: Matches = field(default_factory=Matches)
    """Near duplicates."""
    fates: Fates = field(default_factory=Fates)
    """Decisions."""
    tokenizer: Tokenizer = field(default_factory=Tokenizer)
    """Vocabulary."""
    shards: Shards = field(default_factory=Shards)
    """Rows."""

    def __post_init__(self) -> None:
        """Check the names."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"name must be lower case letters, digits, '-' or '_', got {self.name!r}"
            )
        names = [source.name for source in self.source]
        if not names:
            raise ValueError("no [[source]]; name at least one")
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are called {name!r}; give each its own name")
        for source in self.source:
            for name in rule_table.NEED_MODEL:
                if name in source.thresholds() and not self.measures.quality_model:
                    raise ValueError(
                        f"source {source.name!r}: the rule {name} needs a model; name its file "
                        "([measures] quality_model), or leave the rule out"
                    )
        tasks = [task.name for task in self.evaluation]
        if len(set(tasks)) < len(tasks):
            raise ValueError(f"two evaluation tasks have one name: {', '.join(tasks)}")


def load(path: str, *, variables: dict[str, str] | None = None) -> Recipe:
    """Read a corpus recipe, from a path or by the name of a shipped one.

    Args:
        path: a TOML file, or the name of a recipe in pipeline/recipes.
        variables: values for `${NAME}` in source paths, such as DUMP on the command line.

    Raises:
        ValueError: the file or a key or value in it is wrong.
    """
    shipped = SHIPPED / f"{path}.toml"
    table = recipe.read_toml(str(shipped) if shipped.exists() else path)
    return recipe.parse(Recipe, _substitute(table, variables or {}, path), where=path)


_VARIABLE = re.compile(r"\$\{([A-Z_]+)\}")


def _substitute(table: dict[str, Any], variables: dict[str, str], where: str) -> dict[str, Any]:
    def replace(match: re.Match[str]) -> str:
        value = variables.get(match[1], "")
        if not value:
            raise ValueError(f"{where}: the recipe asks for {match[1]}; give {match[1]}=...")
        return value

    for source in table.get("source", []):
        if isinstance(source, dict) and isinstance(source.get("paths"), list):
            source["paths"] = [
                _VARIABLE.sub(replace, path) if isinstance(path, str) else path
                for path in source["paths"]
            ]
    return table
