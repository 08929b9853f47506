r"""Formulas: TeX as the notebooks have it, turned into MathML, which a browser sets by itself.

latex2mathml does the work. What browsers would show otherwise is mended here: letters in other alphabets, names in
upright type, signs that it takes for letters, words with a formula inside. What it leaves out of good typesetting is
put in: primes as in the prose, thin spaces around log and its like. What nobody has looked at is refused.
"""

from __future__ import annotations

import re
import unicodedata
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

from latex2mathml.commands import FUNCTIONS, LIMIT
from latex2mathml.converter import convert
from latex2mathml.symbols_parser import convert_symbol

__all__ = ["mathml"]

# What may stand in a formula beside signs, Greek letters and names of functions. No wide bars and hats: they grow only
# where there is a font for mathematics.
_COMMANDS = set(
    r"""\text \operatorname \mathrm \mathbb \mathbf \mathcal \mathscr \mathfrak \mathsf \mathtt \mathit \boldsymbol \bm
    \hat \tilde \bar \vec \dot \ddot \overset \underset \stackrel \overbrace \underbrace
    \frac \dfrac \tfrac \binom \sqrt \substack \displaystyle \limits \begin \end
    \left \right \middle \big \Big \bigg \Bigg \bigl \bigr \Bigl \Bigr \biggl \biggr \Biggl \Biggr
    \lvert \rvert \lVert \rVert \det \Pr \gcd \argmax \argmin \bmod \pmod
    \, \; \: \! \{ \} \| \% \$ \# \& \_ \\ \quad \qquad""".split()
) | {"\\ "}
# Rows: what stands here for what latex2mathml knows. Others, such as align, are numbered or unknown to it.
_ROWS = {
    "aligned": "align*",
    **{name: name for name in ("cases", "matrix", "pmatrix", "bmatrix", "vmatrix", "Vmatrix")},
}
_NAMES = r"\\(mathrm|operatorname\*?)\s*\{([^{}]*)\}"
_SPACES = r"\\[,;: ]|~"
_THIN = "\N{THIN SPACE}"
# Private letters that lead a name through latex2mathml as if it were text.
_MARKS = {"mathrm": "\ue000", "operatorname": "\ue001", "operatorname*": "\ue002"}

_NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'
_SIGNS = {"~": "\N{TILDE OPERATOR}", "*": "\N{ASTERISK OPERATOR}", "\N{REVERSE SOLIDUS OPERATOR}": "\N{SET MINUS}"}
_ORDINARY = ("\N{INFINITY}", "\N{EMPTY SET}")  # signs that stand for a thing
_PRIMES = ("\N{PRIME}", "\N{DOUBLE PRIME}", "\N{TRIPLE PRIME}", "\N{QUADRUPLE PRIME}")
_SYMBOLS = ("mi", "mn", "mrow", "msub", "msup", "mstyle")
_BASED = ("munder", "msub", "msup", "msubsup", "munderover")
_PARTS = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "msubsup": 3, "munderover": 3}


def mathml(tex: str, *, block: bool) -> str:
    r"""Return a formula as a <math> element that carries its TeX as alttext.

    Raises ValueError for TeX that would be read otherwise than it is meant: with a command that is not known here, an
    argument missing, braces that do not match, or rows where there can be none.

    >>> mathml("w_c", block=False)
    '<math display="inline" alttext="w_c"><mrow><msub><mi>w</mi><mi>c</mi></msub></mrow></math>'
    """
    tex = " ".join(tex.split())
    _refuse(tex)
    try:
        made = convert(_prepared(tex), display="block" if block else "inline")
        math = fromstring(made.replace(_NAMESPACE, ""))
        for mend in (_name, _letter, _use_signs, _lower_primes, _put_under, _bind, _align):
            for element in list(math.iter()):
                mend(element)
    except Exception as error:  # latex2mathml raises what comes
        raise _refusal(tex, str(error) or type(error).__name__) from error
    if trouble := next(filter(None, map(_trouble, math.iter())), ""):
        raise _refusal(tex, trouble)
    for element in list(math.iter()):  # last: it looks at what stands beside what
        _space(element)
    math.set("alttext", tex)
    return tostring(math, encoding="unicode", short_empty_elements=False)


def _refusal(tex: str, trouble: str) -> ValueError:
    return ValueError(
        f"The formula {tex!r} is not understood whole: {trouble}. Write it in other words, or teach "
        "kdlab/core/formulas.py what a reader should see."
    )


# TeX


def _refuse(tex: str) -> None:
    """Raise ValueError for what is not known here, and for braces and comments that hide a part."""
    for command in re.findall(r"\\(?:[a-zA-Z]+|.)", tex):
        if command not in _COMMANDS and command not in FUNCTIONS + LIMIT and not _is_sign(command):
            raise _refusal(tex, f"{command} is not known")
    for rows in re.findall(r"\\(?:begin|end)\s*\{([^}]*)\}", tex):
        if rows not in _ROWS:
            raise _refusal(tex, f"rows of the kind {rows!r} are not known")
    depth, plain = 0, re.sub(r"\\.", "", tex)
    for letter in plain:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0:
            break
    if depth or "%" in plain:
        raise _refusal(tex, "a % begins a comment: write \\%" if not depth else "its braces do not match")


def _is_sign(command: str) -> bool:
    """Whether a command is one letter or sign, and not an accent."""
    code = convert_symbol(command)
    return code is not None and unicodedata.category(chr(int(code, 16)))[0] in "LPS"


def _prepared(tex: str) -> str:
    """The same TeX as latex2mathml can read it: words without formulas, names as words, primes as apostrophes."""
    words = None
    while tex != words:  # \text{if $x$ is} as \text{if }{x}\text{ is}
        words, tex = tex, re.sub(r"(\\text\s*\{[^{}$]*)\$([^$]*)\$", r"\1}{\2}\\text{", tex)
    tex = re.sub(r"\\text\s*\{\}", "", tex)
    tex = re.sub(r"\^\s*(?:\\prime\b|\{\s*\\prime\s*\})", "'", tex)
    tex = re.sub(r"\\(begin|end)\s*\{(\w+)\}", lambda rows: rf"\{rows[1]}{{{_ROWS[rows[2]]}}}", tex)
    return re.sub(_NAMES, lambda name: rf"\text{{{_MARKS[name[1]]}{_written(name[2])}}}", tex)


def _written(name: str) -> str:
    """A name as it is read: TeX drops plain spaces. ValueError for one that is more than a name."""
    written = re.sub(_SPACES, _THIN, name).replace(" ", "")
    if not re.fullmatch(rf"[\w{_THIN}./-]+", written) or "_" in written:
        raise ValueError(f"{name!r} is no name: write letters only")
    return written


# MathML


def _trouble(element: Element) -> str:
    """What is wrong with an element that no browser would complain of; "" if nothing is."""
    if len(element) != _PARTS.get(element.tag, len(element)):
        return "an argument is missing"
    if element.tag in ("mi", "mo", "mn", "mtext") and (len(element) or set(element.text or "") & set("\\$")):
        return "words and signs hold nothing but themselves" if element.text != "$" else ""
    if element.get("linebreak"):
        return r"\\ stands outside rows"
    return (
        f"{element.text!r} has no {style} form" if (style := element.get("mathvariant", "normal")) != "normal" else ""
    )


def _name(element: Element) -> None:
    """Names in upright type: one element, that of \\operatorname with the spaces of log."""
    if element.tag != "mtext" or not element.text or element.text[0] not in _MARKS.values():
        return
    mark, element.text = element.text[0], element.text[1:]
    if mark == _MARKS["mathrm"]:
        element.tag = "mi"
        element.set("mathvariant", "normal")
    else:
        element.tag = "mo"
        if mark == _MARKS["operatorname*"]:
            element.set("movablelimits", "true")


def _letter(element: Element) -> None:
    """A letter of another alphabet is a letter of its own: browsers know no other mathvariant than normal."""
    style = element.get("mathvariant", "normal")
    if style == "normal" or element.tag == "mtext":
        return
    letters = [letter if style == "italic" else _styled(letter, style) for letter in element.text or ""]
    if all(letters):
        element.text = "".join(letters)
    if all(letters) or element.tag == "mo":  # there is no bolder plus
        del element.attrib["mathvariant"]


def _styled(letter: str, style: str) -> str:
    """The mathematical letter, or "" where there is none: x and bold-italic give the one for vectors."""
    if letter.isdigit():
        style = style.removesuffix("-italic")
    kind = style.upper().replace("BOLD-ITALIC", "BOLD ITALIC")
    name = re.sub("LATIN |GREEK |LETTER |LUNATE ", "", unicodedata.name(letter))
    for whole in (f"MATHEMATICAL {kind} {name}", f"{kind} {name}", f"BLACK-LETTER {name}"):
        try:
            return unicodedata.lookup(whole)
        except KeyError:
            pass
    return ""


def _use_signs(element: Element) -> None:
    """The right signs, not those of the keyboard; and a sign is no letter, and an infinity no sign."""
    text = element.text or ""
    if element.tag == "mo" and (code := convert_symbol(text)):  # after \big it is left as it was
        text = element.text = chr(int(code, 16))
    if element.tag in ("mi", "mo") and text in _SIGNS:
        element.tag, element.text = "mo", _SIGNS[text]
    elif text in _ORDINARY:
        element.tag = "mi"
    elif element.tag == "mi" and len(text) == 1 and unicodedata.category(text) == "Sm":
        element.tag = "mo"


def _lower_primes(element: Element) -> None:
    """A prime is a raised sign already, and as an exponent would be raised twice: p″ as in the prose, α′ with its k."""
    if element.tag not in ("msup", "msubsup") or element[-1].text not in _PRIMES:
        return
    base, *below, prime = element
    prime.tag = "mo"
    prime.attrib.update(lspace="0", rspace="0")
    for child in list(element):
        element.remove(child)
    whole = SubElement(element, "mrow") if below else element
    whole.extend([base, prime])
    element.extend(below)
    element.tag = "msub" if below else "mrow"


def _put_under(element: Element) -> None:
    """What max and its like run over stands below them in a formula that has a line of its own."""
    if _is_function(element) and element.tag == "mo":
        element.attrib.update(lspace="0", rspace="0")
    elif element.tag == "msub" and (f"\\{element[0].text}" in LIMIT or element[0].get("movablelimits")):
        element.tag = "munder"
        element[0].tag = "mo"
        element[0].attrib.update(movablelimits="true", lspace="0", rspace="0")


def _space(row: Element) -> None:
    """The thin spaces of TeX around log and its like: none before a bracket, none after a sign."""
    if row.tag not in ("mrow", "math", "mtd"):
        return  # elsewhere a place says what an element is: base, exponent, numerator
    for place in range(len(row) - 1, 0, -1):
        left, right = row[place - 1], row[place]
        after = _is_function(left) and (right.tag not in ("mo", "mspace") or _is_function(right))
        before = _is_function(right) and left.tag in _SYMBOLS and not _is_function(left)
        if after or before:
            row.insert(place, Element("mspace", width="0.167em"))


def _bind(row: Element) -> None:
    """A minus after a relation or a bracket belongs to what follows it; a slash stands close."""
    for left, right in zip(row, row[1:], strict=False):
        if right.tag == "mo" and right.text == "\N{MINUS SIGN}" and left.tag == "mo" and left.text in list("=≤≥<>,([{"):
            right.set("form", "prefix")
    for element in row:
        if element.tag == "mo" and element.text == "/":
            element.attrib.update(lspace="0", rspace="0")


def _align(table: Element) -> None:
    """Columns stand to the side that TeX puts them on, and those of aligned without a gap between."""
    for cell in table.iter("mtd") if table.tag == "mtable" else ():
        if side := cell.attrib.pop("columnalign", ""):
            close = f"; padding-{side}: 0" if table.get("displaystyle") else ""
            cell.set("style", f"text-align: {side}{close}")


def _is_function(element: Element) -> bool:
    """Whether this is a name as log is one, perhaps with something below or above it."""
    first = element[0] if element.tag in _BASED else element
    while first.tag == "mrow" and len(first) == 1:
        first = first[0]
    name = first.text or ""
    return name[:1].isalpha() and (first.tag == "mo" or first.tag == "mi" and len(name) > 1 and not first.attrib)
