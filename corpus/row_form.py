"""A tokenizer as a set of rows needs it: what `AutoTokenizer` makes of a text is a row's piece.

One text is `[CLS] text [SEP]`; two are `[CLS] first [SEP] second [SEP]`, the second of type 1.
"""

import json
from collections.abc import Mapping

from tokenizers import Tokenizer

from corpus import identity

CONFIG = "tokenizer_config.json"
FILE = "tokenizer.json"
_PROBE = "a b"
_INPUTS = ["input_ids", "attention_mask"]


def is_framed(data: bytes, *, special: Mapping[str, int], pair: bool) -> bool:
    """Tell whether a tokenizer sets [CLS] and [SEP] around a text, or two texts, as rows have them.

    Args:
        data: a tokenizer.json.
        special: [CLS] and [SEP] to their ids.
        pair: ask about two texts, too.
    """
    own = Tokenizer.from_str(data.decode())
    own.no_truncation()
    own.no_padding()
    text = own.encode(_PROBE, add_special_tokens=False).ids
    first = [special["[CLS]"], *text, special["[SEP]"]]
    second = [*text, special["[SEP]"]]
    if own.encode(_PROBE).ids != first:
        return False
    both = own.encode(_PROBE, _PROBE)
    types = [0] * len(first) + [1] * len(second)
    return not pair or (both.ids == first + second and both.type_ids == types)


def framed(data: bytes, *, special: Mapping[str, int]) -> bytes:
    """Return a tokenizer.json whose post-processor makes the rows' form, and the rest as it was."""
    table = json.loads(data)
    own = Tokenizer.from_str(data.decode())
    named = {name: own.id_to_token(special[name]) for name in ("[CLS]", "[SEP]")}
    opens, closes = (
        [{"SpecialToken": {"id": named[name], "type_id": number}} for number in (0, 1)]
        for name in named
    )
    first, second = ({"Sequence": {"id": one, "type_id": n}} for n, one in enumerate("AB"))
    single = [opens[0], first, closes[0]]
    template = {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, second, closes[1]],
        "special_tokens": {
            called: {"id": called, "ids": [special[name]], "tokens": [called]}
            for name, called in named.items()
        },
    }
    before = table.get("post_processor") or {}
    if before.get("type") == "ByteLevel":  # it only says where tokens begin
        template = {"type": "Sequence", "processors": [before, template]}
    table["post_processor"] = template
    return (json.dumps(table, ensure_ascii=False, indent=2) + "\n").encode()


def files(
    found: Mapping[str, bytes], *, special: Mapping[str, int], row_length: int, pair: bool
) -> dict[str, bytes]:
    """Return a tokenizer's files, changed where `AutoTokenizer` would give other than rows.

    Args:
        found: its files by name.
        special: our special tokens to their ids.
        row_length: tokens of the longest row, which `truncation=True` is to cut to.
        pair: rows of two segments, so that token types are an input.
    """
    config = json.loads(found[CONFIG]) if CONFIG in found else {}
    made = dict(found)
    if not is_framed(found[FILE], special=special, pair=pair):
        made[FILE] = framed(found[FILE], special=special)
        # A class of its own would set its own around a text.
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config["model_max_length"] = row_length
    names = config.get("model_input_names", _INPUTS)
    config["model_input_names"] = [name for name in names if name != "token_type_ids"]
    if pair:
        config["model_input_names"].insert(1, "token_type_ids")
    made[CONFIG] = identity.pretty(config)
    return made
