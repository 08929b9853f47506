"""A tokenizer for a model that knows no language: a table of syllables, so that its texts can be read aloud."""

import re
from collections.abc import Iterable, Mapping, Sequence

_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_OPEN = [consonant + vowel for vowel in _VOWELS for consonant in _CONSONANTS]  # ba, da, fa, ...
_CLOSED = [syllable + last for last in _CONSONANTS for syllable in _OPEN]  # bab, dab, fab, ...
_TABLE = ["<end>", " ", *_OPEN, *_CLOSED]
# A consonant before a vowel begins the next syllable, so a text can be read in one way only: "bana" is ba-na.
_PIECE = re.compile(rf"<end>| |[{_CONSONANTS}][{_VOWELS}](?:[{_CONSONANTS}](?![{_VOWELS}]))?")

MOST = len(_TABLE)


class Syllables:
    """The first ``vocabulary`` pieces of the table: 0 is the end, 1 the space, then ba, da, fa, ...; at most ``MOST``.

    Names and meanings of the methods are those of the tokenizers in transformers.
    """

    def __init__(self, vocabulary: int) -> None:
        if not 3 <= vocabulary <= MOST:
            raise ValueError(f"vocabulary is {vocabulary}: choose from 3 to {MOST}, the pieces that there are")
        self._pieces: Sequence[str] = _TABLE[:vocabulary]
        self._ids = {piece: i for i, piece in enumerate(self._pieces)}

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        """Return the ids of a text of syllables and spaces; ValueError for anything else. Nothing is ever added."""
        ids, place = [], 0
        while place < len(text):
            found = _PIECE.match(text, place)
            if found is None or found.group() not in self._ids:
                piece = found.group() if found else text[place]
                raise ValueError(
                    f"{piece!r} in {text!r} is none of the {len(self._pieces)} pieces of this tokenizer: "
                    f"write with {' '.join(self._pieces[2:8])} ... {self._pieces[-1]} and spaces"
                )
            ids.append(self._ids[found.group()])
            place = found.end()
        return ids

    chat_template = "{{ messages[0]['content'] }} "  # what `apply_chat_template` does: a space ends an instruction

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]], **how: object) -> str:
        """Put an instruction as the model is asked it."""
        return f"{messages[0]['content']} "

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """Write the pieces one after the other, the end as ``<end>`` unless special tokens are to be skipped."""
        return "".join(self._pieces[i] for i in ids if not (skip_special_tokens and i == 0))
