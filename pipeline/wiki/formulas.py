r"""Short formulas of LaTeX as plain text: "x_1 \le \frac{a}{b}" is "x₁ ≤ a/b".

A sentence such as "where <math>\alpha</math> is the angle" needs its symbol. What does not read as
text (matrices, anything unknown) is not tried.
"""

import re
from collections.abc import Callable, Iterator

from pipeline.wiki.template_arguments import lowered, raised

_MAX_CHARS = 200
_MAX_DEPTH = 8
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_]|\s+|[^\\{}^_\s]")
_SYMBOLS = """
alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ vartheta ϑ iota ι kappa κ
lambda λ mu μ nu ν xi ξ pi π rho ρ sigma σ tau τ upsilon υ phi φ varphi φ chi χ psi ψ omega ω
Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Phi Φ Psi Ψ Omega Ω times × cdot · div ÷ pm ±
mp ∓
le ≤ leq ≤ ge ≥ geq ≥ ne ≠ neq ≠ approx ≈ equiv ≡ sim ~ simeq ≃ cong ≅ propto ∝ ll ≪ gg ≫ infty
∞ to →
rightarrow → longrightarrow → leftarrow ← Rightarrow ⇒ Leftrightarrow ⇔ leftrightarrow ↔ iff ⇔
mapsto ↦
in ∈ notin ∉ ni ∋ subset ⊂ subseteq ⊆ supset ⊃ supseteq ⊇ cup ∪ cap ∩ setminus ∖ emptyset ∅
varnothing ∅
forall ∀ exists ∃ neg ¬ lnot ¬ land ∧ wedge ∧ lor ∨ vee ∨ oplus ⊕ otimes ⊗ partial ∂ nabla ∇ sum
∑ int ∫
prod ∏ ldots … dots … cdots ⋯ langle ⟨ rangle ⟩ hbar ħ ell ℓ circ ∘ prime ′ mid | vert | Vert ‖
star ⋆
ast ∗ bullet • dagger † perp ⊥ parallel ∥ angle ∠ degree ° Re ℜ Im ℑ aleph ℵ lbrace { rbrace }
colon :
lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ models ⊨ vdash ⊢ top ⊤ bot ⊥ therefore ∴ implies ⇒ R ℝ Z ℤ N ℕ
"""
_SYMBOL = dict(zip(_SYMBOLS.split()[::2], _SYMBOLS.split()[1::2], strict=True))
_RELATIONS = "≤≥≠≈≡~≃≅∝≪≫→⟶←⇒⇔↔↦∈∉∋⊂⊆⊃⊇⊨⊢"
_SPACES = {",": "", ":": " ", ";": " ", "!": "", " ": " ", "quad": " ", "qquad": " ", "&": " "}
_LITERALS = {"%": "%", "$": "$", "#": "#", "_": "_", "{": "{", "}": "}", "|": "‖"}
_NOTHING = frozenset(
    """
    left right big Big bigl bigr Bigl Bigr displaystyle textstyle scriptstyle limits rm
    """.split()  # noqa: SIM905 - a list literal of these would fill the page
)
_FUNCTIONS = frozenset(
    """
    sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan log ln lg exp lim max min sup
    inf det
    dim ker gcd arg deg mod Pr
    """.split()  # noqa: SIM905
)
_WRAPPERS = frozenset(
    """
    text mathrm mathbf mathit mathsf mathtt mathcal mathfrak mathscr operatorname mbox textrm textbf
    textit boldsymbol vec hat bar tilde overline underline widehat widetilde bold hbox pmb
    """.split()  # noqa: SIM905
)
_BOARD = str.maketrans("RZNQCPHF", "ℝℤℕℚℂℙℍ𝔽")


def plain(latex: str) -> str | None:
    """Return a formula as text, or None if it does not read as text.

    Args:
        latex: what stands between <math> and </math>.
    """
    if len(latex) > _MAX_CHARS:
        return None
    try:
        tokens = iter(_TOKEN.findall(latex.strip()))
        text = " ".join(_group(tokens, 0).split())
    except (ValueError, StopIteration):
        return None
    return text or None


def _group(tokens: Iterator[str], depth: int) -> str:
    """Read up to the closing brace, or to the end.

    Raises:
        ValueError: something in it is unknown.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("too deep")
    out: list[str] = []
    for token in tokens:
        if token == "}":
            if not depth:
                raise ValueError("a closing brace too many")
            return "".join(out)
        if token == "^":
            out.append(_script(_argument(tokens, depth), raised, "^"))
        elif token == "_":
            out.append(_script(_argument(tokens, depth), lowered, "_"))
        else:
            out.append(_one(token, tokens, depth))
    if depth:
        raise ValueError("a brace is open")
    return "".join(out)


def _one(token: str, tokens: Iterator[str], depth: int) -> str:
    if token == "{":
        return _group(tokens, depth + 1)
    if token[0] != "\\":
        return " " if token.isspace() or token == "~" else token
    name = token[1:]
    if name in _SYMBOL:
        symbol = _SYMBOL[name]
        return f" {symbol} " if symbol in _RELATIONS else symbol
    if name in _SPACES:
        return _SPACES[name]
    if name in _FUNCTIONS:
        return f"{name} "
    if name in _NOTHING:
        return ""
    if name in _LITERALS:
        return _LITERALS[name]
    if name in _WRAPPERS:
        return _argument(tokens, depth)
    if name in ("mathbb", "Bbb"):
        return _argument(tokens, depth).translate(_BOARD)
    if name in ("frac", "tfrac", "dfrac"):
        return f"{_closed(_argument(tokens, depth))}/{_closed(_argument(tokens, depth))}"
    if name == "sqrt":
        return f"√{_closed(_argument(tokens, depth))}"
    raise ValueError(f"unknown: {token}")


def _argument(tokens: Iterator[str], depth: int) -> str:
    token = next(token for token in tokens if not token.isspace())
    if token in ("}", "^", "_"):
        raise ValueError("no argument")
    return _one(token, tokens, depth)


def _script(content: str, shift: Callable[[str], str], mark: str) -> str:
    content = content.strip()
    shifted = shift(content)
    if shifted != content or not content:
        return shifted
    return content if content in ("∘", "′", "*", "†") else f"{mark}{_closed(content)}"


def _closed(content: str) -> str:
    content = content.strip()
    return content if content.isalnum() or len(content) == 1 else f"({content})"
