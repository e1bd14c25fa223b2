"""A table of words encodes Unigram with Metaspace as `tokenizers` does, or says that it cannot."""

import pyarrow as pa
import pytest
from encoder_examples import TEXTS, changed, unigram
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import (
    Regex,
    normalizers,
    pre_tokenizers,
)

from pipeline.encoding import (
    encoders,
    proof,
)
from pipeline.encoding.token_places import UnfitError

ONE_SPACE = normalizers.Replace(Regex(" {2,}"), " ")
METASPACES = {
    "plain": {},
    "nmt": {"normalizer": normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), ONE_SPACE])},
    "xlm-r": {
        "normalizer": normalizers.Sequence([normalizers.NFKC(), ONE_SPACE]),
        "pre_tokenizer": pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
        ),
    },
    "never": {"pre_tokenizer": pre_tokenizers.Metaspace(prepend_scheme="never")},
    "albert": {
        "normalizer": normalizers.Sequence(
            [
                normalizers.Replace("``", '"'),
                normalizers.NFKD(),
                normalizers.StripAccents(),
                normalizers.Lowercase(),
                normalizers.Strip(left=False),
                normalizers.Replace(Regex(" {2,}"), "▁"),
            ]
        )
    },
}


@pytest.mark.parametrize("kind", METASPACES)
@given(batches=st.lists(TEXTS, min_size=1, max_size=2))
@example([["a\u3164 b", "x\u00a0 y", "a\x7f b", "a\u200b  b", "a `` b", "é \u0301 c", " a", "a  "]])
def test_words_of_metaspace_have_the_ids_and_places_of_tokenizers(unigrams, kind, batches):
    plain, fast = unigrams[kind]
    for batch in batches:
        column = pa.array(batch, pa.string())
        wanted, found = plain.encode(column), fast.encode(column)
        assert found.ids.tolist() == wanted.ids.tolist()
        assert found.ends.tolist() == wanted.ends.tolist()
        places = [proof.characters(one, column).tolist() for one in (found, wanted)]
        assert places[0] == places[1]


@pytest.fixture(scope="module")
def unigrams() -> dict[str, tuple[encoders.Encoder, encoders.Encoder]]:
    own = unigram()
    return {
        kind: (
            encoders.make("tokenizers", changed(own, **parts)),
            encoders.make("words", changed(own, **parts)),
        )
        for kind, parts in METASPACES.items()
    }


def test_words_of_metaspace_are_refused_where_they_are_not_certain():
    own = unigram()
    strips = normalizers.Strip(left=True)
    split = pre_tokenizers.Metaspace(split=False)
    first = pre_tokenizers.Metaspace(prepend_scheme="first")
    for one in (
        changed(own, normalizer=strips),
        changed(own, pre_tokenizer=split),
        changed(own, pre_tokenizer=first),
    ):
        with pytest.raises(UnfitError, match="no rule of words for pre-tokenizer Metaspace"):
            encoders.make("words", one)
