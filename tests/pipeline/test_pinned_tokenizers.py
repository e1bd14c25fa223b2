"""What a pinned tokenizer's special tokens are called, and that no text spells one."""

import copy
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer

from corpus import row_form, token_ids
from pipeline import tokenizer
from pipeline.encoding import encoders, proof
from pipeline.encoding.token_places import UnfitError

TEXT = [
    "an old river price and a <tag> of stone",
    "the mask s /s [MASK] x<s>y</s> pad unk",
    "a [SEP] b end of text | <| |>",
] * 5
NAMES = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SPECIAL = dict(zip(("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"), range(5), strict=True))


def unigram(names=NAMES) -> Tokenizer:
    """Return a tokenizer like XLM-R's: its special tokens are pieces of score 0."""
    own = Tokenizer(models.Unigram())
    own.normalizer = normalizers.NFKC()
    own.pre_tokenizer = pre_tokenizers.Metaspace()
    own.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=names, unk_token=names[3], show_progress=False
    )
    own.train_from_iterator(TEXT, trainer)
    return own


def wordpiece() -> Tokenizer:
    """Return a tokenizer whose words are what lies between spaces, so that [SEP] is one."""
    own = Tokenizer(models.WordPiece(unk_token="<unk>", max_input_chars_per_word=500))
    own.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=NAMES, show_progress=False)
    own.train_from_iterator(TEXT, trainer)
    return own


def bpe(*, names: list[str] = NAMES, cuts: bool = False, **parts: object) -> Tokenizer:
    """Return a byte-level BPE that may not cut words at signs, with `parts` of its model."""
    own = Tokenizer(models.BPE())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=cuts)
    own.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=names,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    own.train_from_iterator(TEXT, trainer)
    table = json.loads(own.to_str())
    table["model"] |= parts
    return Tokenizer.from_str(json.dumps(table))


def merged() -> Tokenizer:
    """Return a BPE whose merges make a special token, and go on from there."""
    table = json.loads(bpe().to_str())
    vocabulary = table["model"]["vocab"]
    merges = [["<", "s"], ["<s", ">"], ["<s>", "a"]]
    for first, second in merges:
        vocabulary.setdefault(first + second, len(vocabulary))
    table["model"]["merges"] = merges + table["model"]["merges"]
    return Tokenizer.from_str(json.dumps(table))


def unmarked() -> Tokenizer:
    """Return one that was told of its special tokens as if they were any others."""
    table = json.loads(unigram().to_str())
    for entry in table["added_tokens"]:
        entry["special"] = False
    return Tokenizer.from_str(json.dumps(table))


KINDS = {
    "unigram": unigram,
    "unmarked": unmarked,
    "wordpiece": wordpiece,
    "bpe": bpe,
    "bpe whole words": lambda: bpe(ignore_merges=True),
    "bpe merged": merged,
    "bpe letters": lambda: bpe(names=[*NAMES[:4], "mask"], cuts=True, ignore_merges=True),
}
WHOLE = ("bpe", "bpe whole words", "bpe merged")
PIECES = st.lists(
    st.sampled_from(
        [*NAMES, *" <>/", " ", "s", "an", "price", "mask", "＜s＞", "\uffff", "é", "\n"]
    )
).map("".join)


@pytest.fixture(scope="module")
def kinds() -> dict[str, tuple[Tokenizer, list[encoders.Encoder]]]:
    made = {}
    for kind, make in KINDS.items():
        own = make()
        found = [encoders.make("tokenizers", Tokenizer.from_str(own.to_str()))]
        # gigatoken cuts words at signs all the same; `proof` finds that out.
        for name in ("words", "gigatoken") if kind not in WHOLE else ("words",):
            try:
                found.append(encoders.make(name, Tokenizer.from_str(own.to_str())))
            except UnfitError:
                continue
        made[kind] = own, found
    return made


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(texts=st.lists(PIECES, max_size=3))
def test_no_text_spells_a_special_token_whatever_encodes_it(kinds, kind, texts):
    own, made = kinds[kind]
    column = pa.array(
        [*texts, "an old <s>price</s> tag <mask>", "<s>", "</s><pad>", "mask"], pa.string()
    )
    plain = made[0].encode(column)
    assert not set(plain.ids.tolist()) & {0, 1, 2, 4}
    for other in made[1:]:
        found = other.encode(column)
        assert found.ids.tolist() == plain.ids.tolist()
        assert found.ends.tolist() == plain.ends.tolist()
        places = [proof.characters(one, column).tolist() for one in (found, plain)]
        assert places[0] == places[1]
    ids = own.encode("an old river", add_special_tokens=False).ids
    assert made[0].encode(pa.array(["an old river"])).ids.tolist() == ids


def test_a_tokenizer_of_each_kind_does_spell_them_by_itself():
    """Without this the test above would hold of anything."""
    found = set()
    for kind, make in KINDS.items():
        own = make()
        own.encode_special_tokens = True
        spelled = own.encode_batch(["<s>", "mask", "</s><mask>"], add_special_tokens=False)
        if any({0, 2, 4} & set(encoding.ids) for encoding in spelled):
            found.add(kind)
    # What no merge makes is spelled by none.
    assert found == {*KINDS} - {"bpe"}


def test_ids_of_special_tokens_from_an_encoder_are_refused():
    """[PAD] is here what the model says of text that it does not know."""
    own = wordpiece()
    encoder = encoders.make("tokenizers", own, special={**SPECIAL, "[UNK]": 1, "[PAD]": 3})
    with pytest.raises(ValueError, match=r"special token '<unk>' of ordinary text \(a document of"):
        encoder.encode(pa.array(["an old", "a 中"]))


def test_a_configuration_says_what_special_tokens_are_called():
    known = {"<bos>", "<eos>", "<|mask|>", "<unk>", "<pad>", "[MASK]", "<s>", "x"}
    config = {"bos_token": "<bos>", "eos_token": {"content": "<eos>"}, "mask_token": "<|mask|>"}
    wanted = {"[PAD]": "<pad>", "[UNK]": "<unk>", "[CLS]": "<bos>", "[SEP]": "<eos>"}
    assert token_ids.special_names(known, [config]) == {**wanted, "[MASK]": "<|mask|>"}
    assert token_ids.special_names(known, [{"cls_token": "x"}, config])["[CLS]"] == "x"
    # What is not there, or is another's already, counts as not said.
    assert token_ids.special_names(known, [{"mask_token": "no"}])["[MASK]"] == "[MASK]"
    same = token_ids.special_names({"x", "y"}, [{"bos_token": "x", "eos_token": "x"}])
    assert same == {"[CLS]": "x"}


def pin(folder, own: Tokenizer, config: dict | None) -> str:
    folder.mkdir()
    own.save(str(folder / "tokenizer.json"))
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return str(folder)


OWN_NAMES = ["<bos>", "<p>", "<eos>", "<unk>", "<|mask|>"]
OWN_CONFIG = dict(
    zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), OWN_NAMES, strict=True)
)


def written(stage, folder) -> str:
    folder.mkdir()
    for name, data in stage.extra_files.items():
        (folder / name).write_bytes(data)
    return str(folder)


def test_a_pinned_tokenizer_by_other_names_is_one_of_transformers(tmp_path):
    stage = tokenizer.pinned(pin(tmp_path / "in", unigram(OWN_NAMES), OWN_CONFIG))
    found = AutoTokenizer.from_pretrained(written(stage, tmp_path / "out"))
    ids = found("an old river")["input_ids"]
    assert (ids[0], ids[-1]) == (0, 2)
    assert (found.cls_token, found.sep_token) == ("<bos>", "<eos>")
    assert (found.mask_token_id, found.pad_token_id) == (4, 1)
    with pytest.raises(ValueError, match=r"no \[PAD\] token of its own .* or|no \[PAD\] token"):
        tokenizer.pinned(pin(tmp_path / "unsaid", unigram(OWN_NAMES), None))
    config = {**OWN_CONFIG, "pad_token": "a"}
    with pytest.raises(ValueError, match="pad_token is 'a', a character of ordinary text"):
        tokenizer.pinned(pin(tmp_path / "letter", unigram(OWN_NAMES), config))
    (tmp_path / "letter" / "tokenizer_config.json").write_text("[]")
    with pytest.raises(ValueError, match="is not a JSON table"):
        tokenizer.pinned(str(tmp_path / "letter"))


@pytest.mark.parametrize("before", [None, processors.ByteLevel(trim_offsets=True)])
def test_a_pinned_tokenizer_that_frames_no_text_is_made_to(tmp_path, before):
    own = bpe()
    if before is not None:
        own.post_processor = before
    path = pin(tmp_path / "in", own, None)
    stage = tokenizer.pinned(path)
    data = (tmp_path / "in" / "tokenizer.json").read_bytes()
    again = json.loads(stage.extra_files["tokenizer.json"])
    assert {**again, "post_processor": 0} == {**json.loads(data), "post_processor": 0}
    found = AutoTokenizer.from_pretrained(written(stage, tmp_path / "out"))
    text = own.encode("an old river", add_special_tokens=False).ids
    assert found("an old river")["input_ids"] == [0, *text, 2]
    # Now it is as it should be, and pinned again stays byte for byte.
    assert tokenizer.pinned(str(tmp_path / "out")).extra_files == stage.extra_files


@pytest.mark.parametrize("pair", [False, True])
def test_two_texts_are_a_row_of_two_segments(tmp_path, pair):
    own = bpe()
    own.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    own.enable_truncation(3)
    files = tokenizer.files(own, dict(zip(SPECIAL, NAMES, strict=True)))
    made = row_form.files(copy.deepcopy(files), special=SPECIAL, row_length=7, pair=pair)
    assert (made["tokenizer.json"] == files["tokenizer.json"]) is not pair
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    found = AutoTokenizer.from_pretrained(tmp_path)
    one, other = (own.encode(text, add_special_tokens=False).ids for text in ("an", "old"))
    own.no_truncation()
    both = found("an", "old")
    assert len(found("an old river of stone", truncation=True)["input_ids"]) == 7
    if pair:
        assert both["input_ids"] == [0, *one, 2, *other, 2]
        assert both["token_type_ids"] == [0] * (len(one) + 2) + [1] * (len(other) + 1)
    else:
        assert "token_type_ids" not in both


def test_added_tokens_keep_their_ids_where_special_ones_are_hidden():
    own = unigram()
    own.add_tokens([AddedToken("river", normalized=False)])
    last = own.token_to_id("river")
    encoder = encoders.make("tokenizers", own)
    found = encoder.encode(pa.array(["a <s> river </s>"])).ids.tolist()
    assert last in found
    assert not {0, 2} & set(found)
