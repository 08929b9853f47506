"""Formulas: TeX as the notebooks have it, turned into MathML, which a browser sets by itself.

latex2mathml does the work. What it leaves out of good typesetting is put in here: primes as in the prose, thin spaces
around log and its like, names of several letters in one piece, and the right signs for "distributed as" and for a star.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

from latex2mathml.converter import convert

__all__ = ["mathml"]

_NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'
_FUNCTIONS = ("log", "exp", "max")
_SIGNS = {"~": "\N{TILDE OPERATOR}", "*": "\N{ASTERISK OPERATOR}"}  # not those of the keyboard
_PRIMES = ("\N{PRIME}", "\N{DOUBLE PRIME}")
_SYMBOLS = ("mi", "mn", "mrow", "msub", "msup", "mstyle")


def mathml(tex: str, *, block: bool) -> str:
    r"""Return a formula as a <math> element that carries its TeX as alttext.

    Raises ValueError for TeX with a command that is not understood: it would stand on the page as it is.

    >>> mathml("w_c", block=False)
    '<math display="inline" alttext="w_c"><mrow><msub><mi>w</mi><mi>c</mi></msub></mrow></math>'
    """
    tex = " ".join(tex.split())
    made = convert(tex, display="block" if block else "inline")
    if "\\" in made:
        raise ValueError(f"The formula {tex!r} is not understood whole: it became {made}")
    math = fromstring(made.replace(_NAMESPACE, ""))
    math.set("alttext", tex)
    for mend in (_use_signs, _lower_primes, _join_names, _put_under, _bind):
        for element in list(math.iter()):
            mend(element)
    for element in list(math.iter()):  # last: it looks at what stands beside what
        _space(element)
    return tostring(math, encoding="unicode", short_empty_elements=False)


def _use_signs(element: Element) -> None:
    if element.tag in ("mi", "mo") and element.text in _SIGNS:
        element.tag, element.text = "mo", _SIGNS[element.text]


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


def _join_names(element: Element) -> None:
    """The letters of an upright name, such as KL, in one element: each alone would be spaced as a symbol is."""
    if len(element) > 1 and all(child.get("mathvariant") == "normal" for child in element):
        name = "".join(child.text or "" for child in element)
        for child in list(element):
            element.remove(child)
        element.tag, element.text = "mi", name


def _put_under(element: Element) -> None:
    """What max runs over stands below it in a formula that has a line of its own."""
    if element.tag == "msub" and element[0].text == "max":
        element.tag = "munder"
        element[0].tag = "mo"
        element[0].attrib.update(movablelimits="true", lspace="0", rspace="0.167em")


def _space(row: Element) -> None:
    """The thin spaces of TeX around log and its like: none before a bracket, none after a sign."""
    if row.tag != "mrow" and row.tag != "math":
        return  # elsewhere a place says what an element is: base, exponent, numerator
    for place in range(len(row) - 1, 0, -1):
        left, right = row[place - 1], row[place]
        after = _is_function(left) and right.tag not in ("mo", "mspace")
        before = _is_function(right) and left.tag in _SYMBOLS and not _is_function(left)
        if after or before:
            row.insert(place, Element("mspace", width="0.167em"))


def _bind(row: Element) -> None:
    """A minus after a relation or a bracket belongs to what follows it; a slash stands close."""
    for left, right in zip(row, row[1:], strict=False):
        if right.tag == "mo" and right.text == "\N{MINUS SIGN}" and left.tag == "mo" and left.text in "=≤([":
            right.set("form", "prefix")
    for element in row:
        if element.tag == "mo" and element.text == "/":
            element.attrib.update(lspace="0", rspace="0")


def _is_function(element: Element) -> bool:
    first = element[0] if element.tag == "munder" else element
    return first.text in _FUNCTIONS
