"""Draw the rooms of the package as they are: `make rooms` writes notebooks/figures/rooms.svg.

    python scripts/draw_rooms.py            draws
    python scripts/draw_rooms.py --count    prints the same in numbers: modules, lines, imports between rooms, circles

Which rooms there are, and on which floor, comes from the contract "Rooms" in pyproject.toml. What a room is for is the
first line of its docstring. Everything else is counted. Nothing in the picture is written by hand.
"""

from __future__ import annotations

import argparse
import ast
import sys
import textwrap
import tomllib
from collections import Counter
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "notebooks" / "figures" / "rooms.svg"
NAME = "kdlab"
WIDTH, MARGIN, GUTTER, GAP, PAD, LINE = 860, 16, 34, 20, 12, 18  # pixels
LETTER = {"": 6.7, "quiet": 6.3, "code": 7.4}  # how wide a letter is at most, on average
STYLE = """
  svg { color-scheme: light dark; font: 13px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", sans-serif; }
  .card { fill: #f4f4f2; } .room { fill: #ffffff; stroke: #cfcfcb; } .door { stroke-dasharray: 4 3; }
  .inner { fill: #f4f4f2; } text { fill: #222222; } .quiet { fill: #5f5f5f; font-size: 12px; }
  .name { font: 600 15px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
  .code { font: 12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
  .way { stroke: #8a8a86; fill: none; } .head { fill: #8a8a86; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #161616; } .room { fill: #222222; stroke: #444444; } .inner { fill: #2e2e2e; }
    text { fill: #e8e8e8; } .quiet { fill: #ababab; }
  }
"""


@dataclass(frozen=True)
class Room:
    """A package: what it is for, its files, how large it is, what it imports of other rooms, the rooms inside it."""

    name: str
    purpose: str
    files: list[str]
    modules: int
    lines: int
    imports: dict[str, int]
    inside: tuple[Room, ...] = ()

    @property
    def size(self) -> str:
        """Modules, and lines to the nearest hundred, so that a small change leaves the picture as it is."""
        return f"{self.modules} modules · {self.lines / 1000:.1f}k lines"

    @property
    def uses(self) -> str:
        """The imports of other rooms in words."""
        if not self.imports:
            return "imports no other room"
        return "imports " + ", ".join(f"{name} {count}" for name, count in self.imports.items())


def floors(root: Path = ROOT) -> list[list[str]]:
    """Return the names of the rooms from the roof down, as the contract "Rooms" has them."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = [one["layers"] for one in settings["contracts"] if one["name"] == "Rooms"]
    return [[name.strip() for name in layer.split("|")] for layer in layers]


def graph() -> dict[str, set[str]]:
    """Return who imports whom, by full names of modules: all imports of the source, those inside functions too."""
    sys.path.insert(0, str(ROOT))
    try:
        found = grimp.build_graph(NAME, cache_dir=None)
    finally:
        sys.path.remove(str(ROOT))
    return {module: set(found.find_modules_directly_imported_by(module)) for module in found.modules}


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle, or nothing where there is none."""
    try:
        list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def arrows(imports: dict[str, set[str]]) -> Counter[tuple[str, str]]:
    """Count the imports between rooms: {(from, to): pairs of modules}. The front door belongs to no room."""
    pairs = [(room_of(module), room_of(target)) for module, targets in imports.items() for target in targets]
    return Counter(pair for pair in pairs if all(pair) and pair[0] != pair[1])


def room_of(module: str) -> str:
    """Return the room of a module: "lm" for kdlab.lm.pipeline.truth, "" for the front door itself."""
    return (module.split(".") + [""])[1]


def measured(folder: Path, imports: dict[str, int]) -> Room:
    """Look at one package and at the packages in it."""
    files = sorted(folder.rglob("*.py"))
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    inside = tuple(measured(file.parent, {}) for file in sorted(folder.glob("*/__init__.py")))
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    named = [file.stem for file in files if file.parent == folder and not file.stem.startswith("_")]
    return Room(folder.name, said.partition("\n")[0].replace("`", ""), named, len(files), lines, imports, inside)


def house() -> list[list[Room]]:
    """Return the rooms, floor by floor, from the roof down."""
    plan, counted = floors(), arrows(graph())
    order = [name for floor in plan for name in floor]

    def room(name: str) -> Room:
        return measured(ROOT / NAME / name, {to: counted[name, to] for to in order if counted[name, to]})

    return [[room(name) for name in floor] for floor in plan]


def counts() -> str:
    """Return the house in numbers, a line for each room."""
    imports, rooms = graph(), [room for floor in house() for room in floor]
    order = [name for floor in floors() for name in floor]
    between, ring = arrows(imports), circle(imports)
    up = sum(count for (one, other), count in between.items() if order.index(other) < order.index(one))
    rows = [f"{room.name:10} {room.modules:3} modules {room.lines:6,} lines  {room.uses}" for room in rooms]
    total = f"{sum(room.modules for room in rooms)} modules, {sum(room.lines for room in rooms):,} lines"
    told = "no circle" if not ring else "a circle: " + " -> ".join(ring)
    return "\n".join([*rows, f"{total}, {sum(between.values())} imports between rooms, {up} upwards; {told}"])


# The picture


def drawn(plan: list[list[Room]], names: list[str]) -> str:
    """Return the house as SVG, for light and dark pages. ``names`` are those of the front door."""
    left, top = MARGIN + GUTTER, MARGIN
    whole = WIDTH - left - MARGIN
    door, top = front_door(names, left, top, whole)
    parts, first = [door], top
    for floor in plan:
        top += GAP
        width = (whole - GAP * (len(floor) - 1)) / len(floor)
        height = max(tall(room, width) for room in floor)
        parts += [box(room, left + place * (width + GAP), top, width, height) for place, room in enumerate(floor)]
        top += height
    return frame(parts, top + MARGIN, first + GAP, [room.name for floor in plan for room in floor])


def frame(parts: list[str], height: float, first: float, names: list[str]) -> str:
    """Return the whole file: the card, the arrow on the left, and what stands on them."""
    x, end = MARGIN + 5, height - MARGIN
    words = f"The rooms of {NAME}, from the roof down: {', '.join(names)}. Imports point down only."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img">',
            f"<title>{escape(words)}</title>",
            f"<style>{STYLE}</style>",
            rectangle("card", 0, 0, WIDTH, height),
            f'<path class="way" d="M{x} {first:g}V{end - 8:g}"/>',
            f'<path class="head" d="M{x} {end:g}l-4.5 -9h9z"/>',
            f'<text class="quiet" transform="translate({x + 18} {(first + end) / 2:g}) rotate(-90)" '
            'text-anchor="middle">imports point down</text>',
            *parts,
            "</svg>\n",
        ]
    )


def front_door(names: list[str], x: float, y: float, width: float) -> tuple[str, float]:
    """Return the box on top, which names what a notebook may import, and where it ends."""
    listed = wrapped(", ".join(names), width - 2 * PAD, "code")
    height = 2 * PAD + LINE * (1 + len(listed))
    parts = [
        rectangle("room door", x, y, width, height),
        text(f"from {NAME} import ...", x + PAD, y + PAD + 11, "name"),
        text("the front door: all that notebooks need", x + width - PAD, y + PAD + 11, "quiet", end=True),
        paragraph(listed, x + PAD, y + PAD + 13 + LINE, "code"),
    ]
    return "\n".join(parts), y + height


def narrow(width: float) -> bool:
    """Whether a box is one of several on its floor: then its size stands below its name and not beside it."""
    return width < WIDTH / 2


def topics(files: list[str]) -> dict[str, list[str]]:
    """Return the files of a room by topic: "mechanism" with "plots" where plots_mechanism is there as well.

    >>> topics(["mechanism", "plots", "plots_mechanism", "plots_worlds"])
    {'mechanism': ['plots'], 'plots': [], 'plots_worlds': []}
    """
    sides = {name: name.partition("_")[::2] for name in files}
    found: dict[str, list[str]] = {name: [] for name, (_, topic) in sides.items() if topic not in files}
    for kind, topic in sides.values():
        if topic in found:
            found[topic].append(kind)
    return found


def tall(room: Room, width: float) -> float:
    """Return the height that a room needs: its name, what it is for, its files, the rooms inside, its imports."""
    inside = width - 2 * PAD
    lines = 2 + narrow(width) + len(wrapped(room.purpose, inside)) + len(files(room, 0, 0, inside))
    return 2 * PAD + LINE * lines + 12 + sum(8 + tall_inside(one, inside) for one in room.inside)


def box(room: Room, x: float, y: float, width: float, height: float) -> str:
    """Return one room, as `tall` says."""
    left, right, at = x + PAD, x + width - PAD, y + PAD + 11
    purpose = wrapped(room.purpose, width - 2 * PAD)
    parts = [rectangle("room", x, y, width, height), text(f"{room.name}/", left, at, "name")]
    at += LINE * narrow(width)
    parts.append(text(room.size, left if narrow(width) else right, at, "quiet", end=not narrow(width)))
    parts.append(paragraph(purpose, left, at + LINE))
    at += LINE * len(purpose) + 5
    listed = files(room, left, at + LINE, width - 2 * PAD)
    parts += listed
    at += LINE * len(listed) + 10
    for one in room.inside:
        parts.append(inner(one, left, at, width - 2 * PAD))
        at += 8 + tall_inside(one, width - 2 * PAD)
    parts.append(text(room.uses, left, y + height - PAD - 1, "quiet"))
    return "\n".join(parts)


def files(room: Room, x: float, y: float, width: float) -> list[str]:
    """Return the lines that name the files of a room: in a narrow box one for each topic."""
    if not narrow(width):
        return [text(", ".join(room.files), x, y, "code")]
    lines = []
    for row, (topic, kinds) in enumerate(topics(room.files).items()):
        lines.append(text(topic, x, y + LINE * row, "code"))
        if kinds:
            lines[-1] += text(f"+ {', '.join(kinds)}", x + 106, y + LINE * row, "quiet")
    return lines


def tall_inside(room: Room, width: float) -> float:
    """Return the height that a room inside a room needs."""
    return PAD + LINE * (1 + len(wrapped(room.purpose, width - 16, "quiet")))


def inner(room: Room, x: float, y: float, width: float) -> str:
    """Return a room inside a room: its name and size, and what it is for."""
    parts = [
        rectangle("inner", x, y, width, tall_inside(room, width)),
        text(f"{room.name}/", x + 8, y + 18, "code"),
        text(room.size, x + width - 8, y + 18, "quiet", end=True),
        paragraph(wrapped(room.purpose, width - 16, "quiet"), x + 8, y + 18 + LINE, "quiet"),
    ]
    return "\n".join(parts)


# Shapes and words


def wrapped(words: str, width: float, kind: str = "") -> list[str]:
    """Break words into lines of this width."""
    return textwrap.wrap(words, int(width / LETTER[kind]), break_on_hyphens=False)


def rectangle(kind: str, x: float, y: float, width: float, height: float) -> str:
    """Return a box with round corners."""
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>'


def paragraph(lines: list[str], x: float, y: float, kind: str = "") -> str:
    """Return lines of text, the first of them at y."""
    return "\n".join(text(line, x, y + LINE * row, kind) for row, line in enumerate(lines))


def text(words: str, x: float, y: float, kind: str = "", *, end: bool = False) -> str:
    """Return one line of text that begins, or ends, at x."""
    kind = f' class="{kind}"' if kind else ""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text{kind} x="{x:g}" y="{y:g}"{anchor}>{escape(words)}</text>'


def fresh() -> str:
    """Return the picture as it would be drawn now."""
    door = ast.parse((ROOT / NAME / "__init__.py").read_text(encoding="utf-8"))
    (names,) = [
        ast.literal_eval(node.value)
        for node in door.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return drawn(house(), names)


def main() -> None:
    """Draw, or count."""
    parser = argparse.ArgumentParser(description="Draw the rooms of the package.")
    parser.add_argument("--count", action="store_true", help="print numbers and draw nothing")
    if parser.parse_args().count:
        print(counts())
    else:
        PICTURE.write_text(fresh(), encoding="utf-8")


if __name__ == "__main__":
    main()
