"""Which encoder a run uses: the fastest that gives the ids of `tokenizers` on the run's own text.

Decided once, before anything is encoded, on documents drawn by hash from a few parts of each
source; so it depends on neither order nor workers, and all workers do as it says.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Tokenizer

from corpus import identity, keyed, storage
from pipeline import tokenizer
from pipeline.encoding import encoders, tokenizer_check
from pipeline.encoding.token_places import Encoder, Tokens, UnfitError, char_bytes
from pipeline.encoding.tokenizer_check import Sample
from pipeline.running.flow import Output, Part, Receipts, part_fingerprint

VERSION = 4
FILE = "encoder.json"
_SAMPLE_BYTES = 4_000_000
"""Text that is encoded twice, over all sources: two seconds of `tokenizers`."""
_NUM_PARTS = 4
"""Of each source, from which documents are drawn."""
_MAX_DOCUMENT_CHARS = 200_000
_DRAW = 0x454E434F  # keeps this draw apart from other hashes of the same ids
_BATCH = 64

_PIECES = (
    "don't I'LL we've 'tis rock'n'roll's 'S",
    "3.14 1,000,000 ½ ² ٣ Ⅷ 12th A4 x2y3",
    "a  b   c\tb\t\tc\n\nd \n e\r\nf  \n\n  g",
    "\u00a0x\u00a0 y \u2003z\u3000\u200bw\u180ev\u2028u\x85t\x1cs\x0br\x7fq\x00p",
    "naïve na\u0131\u0308ve e\u0301 ﬁ ß İ ǅ ŉ Å Å ㎏ ¨ =\u0338",
    "中文，没有空格。日本語のテキスト！ ไทย ລາວ မြန်မာ ភាសា",
    "العربية، עברית हिन्दी। 한국어 \u1112\u1161\u11ab ελληνικός ΣΟΦΟΣ",
    "👩‍👩‍👧 🇩🇪 ❤️ \U0001d504 \U0010ffff \ufffd \ufeff",
    # New in Unicode 17, and not assigned.
    "a\u088f\ua7ce b\U000323b0\U00011db0 1\u0c5c2 'the\U000c139a",
    "(foo)[bar]{baz}<qux> -- … — “x” «y» http://a.b/c?d=e&f#g `a_b` $x^2$ \\n @me #tag",
    "the [MASK] and [SEP]of[CLS] [PAD][UNK] <s></s> <mask> <|endoftext|>",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Which encoder, and why."""

    encoder: str
    """A name of `encoders.PREFERRED`."""
    version: str
    """Of the library that it is, or of `tokenizers`."""
    refused: dict[str, str]
    """Why not, by the names of faster encoders."""
    num_documents: int
    """Encoded by it and by `tokenizers` alike."""
    num_bytes: int
    num_tokens: int
    ids_sha256: str
    """Over their ids, in order."""


def decide(
    texts: list[str],
    data: bytes,
    candidates: list[str],
    *,
    special: Mapping[str, int] | None = None,
) -> Decision:
    """Choose the first candidate that gives the ids of `tokenizers` on all texts.

    Args:
        texts: what to prove it on.
        data: a tokenizer.json.
        candidates: names of encoders in order; the last is "tokenizers".
        special: as `encoders.make`.
    """
    texts = [*texts, *probes(tokenizer.load(data))]
    batches = [
        pa.array(texts[at : at + _BATCH], pa.string()) for at in range(0, len(texts), _BATCH)
    ]
    plain = encoders.make("tokenizers", tokenizer.load(data), special=special)
    wanted = [plain.encode(batch) for batch in batches]
    digest = identity.digest(b"".join(tokens.ids.astype("<u4").tobytes() for tokens in wanted))
    refused: dict[str, str] = {}
    versions = {"tokenizers": identity.libraries("tokenizers")["tokenizers"]}
    for name in candidates:
        try:
            tried = encoders.make(name, tokenizer.load(data), special=special)
            reason = _difference(tried, batches, wanted)
        except UnfitError as error:
            reason = str(error)
        if reason:
            refused[name] = reason
            continue
        return Decision(
            encoder=name,
            version=(versions | encoders.installed()).get(name, versions["tokenizers"]),
            refused=refused,
            num_documents=len(texts),
            num_bytes=sum(len(text.encode()) for text in texts),
            num_tokens=sum(len(tokens.ids) for tokens in wanted),
            ids_sha256=digest,
        )
    raise AssertionError("tokenizers differs from itself")


def _difference(tried: Encoder, batches: list[pa.Array], wanted: list[Tokens]) -> str:
    """Return how an encoder differs from what is wanted, empty where it does not."""
    # Twice: an encoder that remembers words must be right about those it knows, too.
    for batch, right in [*zip(batches, wanted, strict=True)] * 2:
        found = tried.encode(batch)
        for number, text in enumerate(batch.to_pylist()):
            mine, its = (
                tokens.ids[tokens.ends[number] : tokens.ends[number + 1]]
                for tokens in (right, found)
            )
            if not np.array_equal(mine, its):
                same = min(len(mine), len(its))
                differs = np.flatnonzero(mine[:same] != its[:same])
                at = int(differs[0]) if len(differs) else same
                return (
                    f"token {at:,} of {len(mine):,} differs from that of tokenizers in a text of "
                    f"{len(text):,} characters, sha256 {identity.digest(text.encode())[:16]}"
                )
        if not np.array_equal(characters(found, batch), characters(right, batch)):
            return "its tokens begin in other places of the text"
    return ""


def characters(tokens: Tokens, texts: pa.Array) -> NDArray[np.int64]:
    """Return the code point of its text, by the byte where it begins, that each token begins in.

    Of parts of one code point some encoders know only that.
    """
    found = []
    for number, text in enumerate(texts.to_pylist()):
        starts = char_bytes(np.frombuffer(text.encode(), dtype=np.uint8))
        begins = tokens.begins[tokens.ends[number] : tokens.ends[number + 1]]
        found.append(starts[np.searchsorted(starts, begins, side="right") - 1])
    return np.concatenate([np.empty(0, np.int64), *found])


def probes(own: Tokenizer) -> list[str]:
    """Return texts in which encoders are likely to differ, if they do."""
    known = [token.content for _, token in sorted(own.get_added_tokens_decoder().items())]
    pieces = [*_PIECES, *(f"{a} {token}{b}" for token in known for a in "xX" for b in "y \n")]
    return [*pieces, "\n".join(pieces), " ".join(pieces), "".join(pieces), "", " ", "\n", "a"]


def plan(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    vocabulary: dict[str, Any],
    libraries: dict[str, str],
) -> list[Part]:
    """Return the one part: the parts of each source whose contents hash lowest."""
    key = vocabulary["digest"]
    candidates = [name for name in encoders.PREFERRED if name != "gigatoken" or name in libraries]
    drawn = sorted(
        (entry["source"], identity.fingerprint([key, entry["content"]]), number)
        for number, entry in enumerate(inputs)
        if entry["num_rows"]
    )
    sources = sorted({source for source, _, _ in drawn})
    chosen = [
        inputs[number]
        for source in sources
        for _, _, number in [entry for entry in drawn if entry[0] == source][:_NUM_PARTS]
    ]
    sizes = {
        source: sum(entry["num_bytes"] for entry in chosen if entry["source"] == source)
        for source in sources
    }
    digests = [[entry["content"], entry["fates_content"]] for entry in chosen]
    return [
        Part(
            name="encoder",
            fingerprint=part_fingerprint(
                "shards",
                "encoder",
                VERSION,
                key,
                vocabulary["special"],
                candidates,
                libraries,
                digests,
            ),
            inputs={
                "parts": [[entry["url"], entry["fates"], entry["source"]] for entry in chosen],
                "shares": {
                    source: min(1.0, _SAMPLE_BYTES / len(sources) / size)
                    for source, size in sizes.items()
                },
                "tokenizer": vocabulary["url"],
                "special": vocabulary["special"],
                "candidates": candidates,
            },
        )
    ]


def prove(part: Part, output: Output) -> None:
    """Decide on an encoder, and say what the tokenizer makes of the texts it was decided on."""
    data = storage.read_bytes(part.inputs["tokenizer"])
    samples = list(_samples(part))
    special = part.inputs["special"]
    decision = decide(
        [sample.text for sample in samples], data, part.inputs["candidates"], special=special
    )
    own = tokenizer.load(data)
    chosen = encoders.make(decision.encoder, own, special=special)
    checks = tokenizer_check.check(samples, own, chosen, unknown=special["[UNK]"])
    missing = {
        name: "not installed"
        for name in encoders.PREFERRED
        if name not in part.inputs["candidates"]
    }
    facts = {
        "encoder": {**asdict(decision), "refused": {**missing, **decision.refused}},
        "checks": checks,
    }
    with output.create(FILE) as file:
        file.write(identity.pretty(facts))
    output.facts.update(encoder=decision.encoder, version=decision.version)


def encoder(name: str, data: bytes, special: Mapping[str, int]) -> Encoder:
    """Return the encoder that was decided on, one that this process may have had before.

    Making it takes a second, and what it has learnt of words is as good for the next part.

    Args:
        name: of `encoders.PREFERRED`.
        data: a tokenizer.json.
        special: our special tokens to their ids.
    """
    return _encoder(name, data, tuple(sorted(special.items())))


@functools.lru_cache(maxsize=1)
def _encoder(name: str, data: bytes, special: tuple[tuple[str, int], ...]) -> Encoder:
    return encoders.make(name, tokenizer.load(data), special=dict(special))


def _samples(part: Part) -> Iterator[Sample]:
    for documents, fates, source in part.inputs["parts"]:
        for _, row in tokenizer.kept_texts(documents, fates, columns=["id", "text"]):
            draw = keyed.mix(_DRAW, np.array([row["id"]], dtype=np.uint64))
            if keyed.below(draw, part.inputs["shares"][source])[0]:
                text = row["text"][:_MAX_DOCUMENT_CHARS]
                yield Sample(source=source, language=row["language"], text=text)
