"""Formulas as MathML: each reads as its TeX does, in any browser, or is refused."""

import re
import xml.etree.ElementTree as ET

import pytest
from support.site import FORMULAS

from kdlab.core.formulas import mathml


def made(tex: str, block: bool = True) -> ET.Element:
    return ET.fromstring(mathml(tex, block=block))


def words(tex: str) -> str:
    return "".join(made(tex).itertext()).replace("\N{THIN SPACE}", " ").replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("tex", FORMULAS)
def test_every_formula_of_the_notebooks_has_nothing_left_of_its_tex(tex: str) -> None:
    read = words(tex)
    assert not re.search(r"[\\$^_{}~]", read)
    # What stays of the TeX without its commands is what a reader reads, whatever the order of what is above and below.
    plain = re.sub(r"\\(?:mathbb\{E\}|(?!log|exp|max)[a-zA-Z]+)|\\", "", tex)
    letters = re.compile(r"[a-zA-Z0-9]")
    assert sorted(letters.findall(read)) == sorted(letters.findall(plain))


READ = {
    r"\operatorname*{arg\,max}_x f(x)": "arg maxxf(x)", r"\operatorname{arg\,max}_x f": "arg maxxf",
    r"\operatorname{arg max}": "argmax", r"\operatorname{H}(p)": "H(p)", r"\argmax_x f": "arg maxxf",
    r"\underset{x}{\max} f": "maxxf", r"\max_x f": "maxxf", r"\lim_{x \to 0}": "limx→0", r"\Pr(x)": "Pr(x)",
    r"\mathrm{d}x": "dx", r"\mathrm{KL}(p \| q)": "KL(p‖q)", r"x_\mathrm{max}": "xmax", r"\mathrm d x": "dx",
    r"\mathrm{x_{1}}": "x1", r"\mathbb{1}_{x>0}": "𝟙x>0", r"\mathbb 1": "𝟙", r"\mathbb{R}^d": "ℝd",
    r"\mathbb{ER}": "𝔼ℝ",
    r"\boldsymbol{\theta}": "𝜽", r"\boldsymbol\theta": "𝜽", r"\bm{x}": "𝒙", r"\boldsymbol{\theta + x}": "𝜽+𝒙",
    r"\boldsymbol{\nabla}": "𝛁", r"\boldsymbol{\phi}": "𝝓", r"\boldsymbol{\epsilon}": "𝝐", r"\boldsymbol{1}": "𝟏",
    r"\mathbf{x}": "𝐱", r"\mathbf{W}_1": "𝐖1", r"\mathbf{0}": "𝟎", r"\mathbf{\mu}": "𝛍", r"\mathbf{x_1 + y}": "𝐱𝟏+𝐲",
    r"\mathcal{L}\mathcal{N}": "ℒ𝒩", r"\mathcal{ab}": "𝒶𝒷", r"\mathscr{L}": "ℒ", r"\mathfrak{g}\mathfrak{C}": "𝔤ℭ",
    r"\mathsf{T}": "𝖳", r"\mathtt{ab}": "𝚊𝚋", r"\mathit{ab}": "ab", r"\hat{\boldsymbol{\theta}}": "𝜽^",
    r"\text{if $x$}": "if x", r"\text{if $x_{1}$ and $y$ are} z": "if x1 and y arez",
    r"\text{$\beta$ small}": "β small",
    r"x > 0 \text{ and } y": "x>0 and y", r"\bar x \tilde{p} \dot x \vec x": "x¯p∼x˙x→",
    r"\begin{aligned} a &= b \\ c &= d \end{aligned}": "a=bc=d", r"\begin{pmatrix} a & b \end{pmatrix}": "(ab)",
    r"\begin{cases} 1 & x > 0 \\ 0 & \text{else} \end{cases}": "{1x>00else",
    r"\sum_{\substack{i<n \\ j<m}} x": "∑i<nj<mx", r"\left( \frac{a}{b} \right)": "(ab)", r"\left. x \right|": "x|",
    r"\bigl\{ x \bigr\}": "{x}", r"\big\| x": "‖x", r"\lVert x \rVert": "‖x‖", r"\left\langle x \right\rangle": "⟨x⟩",
    r"x^{\prime} + y'''": "x′+y‴", r"a\,b\;c\:d\!e\ f\quad g~h": "abcde fg h", r"\{5\,\%, \$, \#\}": "{5%,$,#}",
    r"\setminus \implies \pm \perp \infty": "∖⟹±⟂∞", "θ ≤ −1 ∈ ℝ, p″": "θ≤−1∈ℝ,p″",
    r"\epsilon\varepsilon\phi\varphi": "ϵεϕφ",
    r"\overset{\text{def}}{=}": "=def", r"\binom{n}{k} \tfrac12 \sqrt[3]{x}": "(nk)12x3", r"x \bmod y": "xmody",
}  # fmt: skip


@pytest.mark.parametrize("tex", READ)
def test_what_each_formula_reads_as(tex: str) -> None:
    assert words(tex) == READ[tex]
    for element in made(tex).iter():  # what browsers know of MathML: no other alphabet, nothing inside a word
        assert element.get("mathvariant", "normal") == "normal"
        assert element.tag not in ("mi", "mo", "mn", "mtext") or len(element) == 0


REFUSED = (
    r"\unheard{x}", r"\arg\max_x", r"\textbf{a}", r"\color{red}{x}", r"\not= x", r"\rm d x", r"\overline{xy}",
    r"\mathop{x}", r"\def\a{b}\a", r"\tag{1}", r"\hspace{1em}", r"\text{50\%}", "50% of x", r"\mathrm{\theta}",
    r"\mathcal{1}", r"\mathbb{\alpha}", r"a \\ b", "a & b", "{a", "a}", r"\frac{a}", "x^", "x_1_2", r"\left( x",
    r"\sqrt",
    r"\limits_x", r"\begin{align} a &= b \end{align}", r"\begin{array}{c} a \end{array}", r"\text{a & b}",
)  # fmt: skip


@pytest.mark.parametrize("tex", REFUSED)
def test_what_would_be_read_wrongly_is_refused(tex: str) -> None:
    with pytest.raises(ValueError, match="not understood whole") as caught:
        mathml(tex, block=True)
    assert repr(tex) in str(caught.value)


def test_names_are_upright_and_stand_apart_and_what_they_run_over_stands_below() -> None:
    d = made(r"\mathrm{d}x").find(".//mi")
    assert d is not None and d.get("mathvariant") == "normal"  # a single letter would be slanted
    for tex in (r"\operatorname*{arg\,max}_x f", r"\argmax_x f", r"\min_x f", r"\sup_x f"):
        under = made(tex).find(".//munder")
        assert under is not None and under[1].text == "x" and made(tex).find(".//mspace") is not None, tex
    assert made(r"\log_2 x").find(".//mspace") is not None and made(r"\log(x)").find(".//mspace") is None
    sides = [cell.get("style", "") for cell in made(r"\begin{aligned} a &= b \end{aligned}").iter("mtd")]
    assert "right" in sides[0] and "left" in sides[1]


def test_primes_stand_as_in_the_prose() -> None:
    assert words("p''") == "p\N{DOUBLE PRIME}"
    assert "<msup>" not in mathml("p'", block=False)
    subscript = made("\\alpha'_k", block=False).find(".//msub")
    assert subscript is not None and ["".join(part.itertext()) for part in subscript] == ["α\N{PRIME}", "k"]
