"""Build the static site from the committed notebooks: pages that are live without Python and without a network.

    python notebooks/publish.py                 writes site/
    python notebooks/publish.py --out FOLDER    writes FOLDER

Everything stands in one folder of plain files, and works from a server or opened as files. Outputs are the committed
ones. The parts are in notebooks/publishing: formulas, pages, views, animation.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
import nbformat
from publishing import animation
from publishing.pages import TEMPLATES, Book
from publishing.views import Live, live_of, live_views, reviews, script

from kdlab.mixtures.scenes import make_scene
from kdlab.mixtures.view_own import OwnView, world_of

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "notebooks"
ASSETS = HERE / "publishing" / "assets"
TEXTS = {  # Markdown that becomes a page, where it is there: {file: page}
    "notebooks/SYMBOLS.md": "SYMBOLS.html",
    "notebooks/MISCONCEPTIONS.md": "MISCONCEPTIONS.html",
    "notebooks/OTHERS.md": "OTHERS.html",
    "notebooks/INSTRUCTOR.md": "INSTRUCTOR.html",
    "notebooks/PLACES.md": "PLACES.html",
    "notebooks/neighbours/README.md": "neighbours.html",
    "README.md": "README.html",
    "CONTRIBUTING.md": "CONTRIBUTING.html",
    "kdlab/data/README.md": "data.html",
}
FILES = {  # copied as they are: {file: place}
    "LICENSE": "LICENSE.txt",
    "LICENSE-prose": "LICENSE-prose.txt",
    "CITATION.cff": "CITATION.cff.txt",
    "notebooks/figures/live.png": "figures/live.png",
    "notebooks/figures/live.webp": "figures/live.webp",
    "notebooks/figures/rooms.svg": "figures/rooms.svg",
    "notebooks/figures/neighbours.png": "figures/neighbours.png",
}
AFTER = {  # notebooks without a number: the one that each comes after, and its name in menus
    "your_own_world": ("03", "own"),
    "measure_your_own": ("08", "measure"),
}
OWN = "own.html"  # the page on which readers draw a world of their own
MENU = {
    OWN: "Draw",
    "SYMBOLS.html": "Symbols",
    "MISCONCEPTIONS.html": "Misconceptions",
    "OTHERS.html": "Others",
    "neighbours.html": "Neighbours",
    "INSTRUCTOR.html": "Teach",
    "README.html": "Run it",
}
ADDRESS = re.compile(r"(mybinder\.org/v2/gh/)[^/]+/[^/]+")  # the one link that holds where the repository is
LESS = (
    "Live, without Python: the menus offer what was computed ahead. "
    'For the rest <a href="README.html">run the notebook</a>.'
)
LIVE = "Live, without Python."
BANNER = '<p class="aside banner">{} as a page: {}. <a href="README.html">How to run it</a>.</p>\n'
MAX_BYTES = 20_000_000
PIECE = 1_000_000  # bytes of a part in one script: a browser reads it in a moment, and its page goes on


class PublishError(Exception):
    """The site cannot be built or put where it should go; says why and what to do."""


@dataclass(frozen=True)
class Entry:
    """A notebook as the site names it: its page, its name in menus, the question that it answers, how long it takes."""

    path: Path
    place: str
    short: str
    long: str
    minutes: str

    @property
    def number(self) -> str:
        """Its number, or nothing where its name is none."""
        return self.short if self.short.isdigit() else ""

    @property
    def title(self) -> str:
        """Number and question."""
        return f"{self.number} {self.long}".strip()


class Site:
    """A site being built in a folder that is empty at first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries = [_entry(path) for path in sorted(HERE.glob("*.ipynb"), key=_place)]
        self.neighbours = [_entry(path) for path in sorted(HERE.glob("neighbours/*.ipynb"))]
        every = [*self.entries, *self.neighbours]
        notebooks = {entry.path.relative_to(ROOT).as_posix(): entry.place for entry in every}
        self.texts = {file: place for file, place in TEXTS.items() if (ROOT / file).is_file()}
        self.files = {file: place for file, place in FILES.items() if (ROOT / file).is_file()}
        self.book = Book({**notebooks, **self.texts, **self.files})
        self.layout = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined)
        self.repository = os.environ.get("GITHUB_REPOSITORY", "")  # known where GitHub builds the site
        self.sweeps: dict[str, Any] = {}  # those that several views share, by key
        self.modules: dict[str, str] = {}
        self.parts: dict[str, bytes] = {}  # weights and the like, which a view asks for when it is asked
        self.style = ""

    def build(self) -> None:
        """Write everything."""
        for file, place in self.files.items():
            self.write(place, (ROOT / file).read_bytes())
        for row in (self.entries, self.neighbours):
            for entry, before, after in zip(row, [None, *row], [*row[1:], None], strict=False):
                self.notebook(entry, before, after)
        self.front(self.first)
        self.own()
        for file, place in self.texts.items():
            self.text(file, place)
        self.assets()
        self.write(".nojekyll", b"")  # what stands here is finished

    def write(self, place: str, content: str | bytes) -> None:
        """Write one file, with the folders that it needs."""
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    # Pages

    def notebook(self, entry: Entry, before: Entry | None, after: Entry | None) -> None:
        """Write the page of a notebook."""
        content = nbformat.read(entry.path, as_version=4)
        lives = live_views(content, entry.path.parent, self.sweeps)
        said = {live.cell: f'<p class="aside">{LESS if live.less else LIVE}</p>' for live in lives}
        review = {cell: _inside_html(rows) for cell, rows in reviews(content, entry.path.parent).items()}
        file = entry.path.relative_to(ROOT).as_posix()
        body = self.book.notebook(content, file, live=said, reviews=review)
        called = "A neighbour" if entry in self.neighbours else f"Notebook {entry.number}".strip()
        runs = "its pictures are live, its cells do not run" if lives else "its cells do not run"
        body = BANNER.format(called, runs) + body
        self.page(entry.place, entry.title, f"{called}: {entry.long}", body, lives, before=before, after=after)
        if entry == self.entries[0]:
            self.first = lives[0]

    def front(self, live: Live) -> None:
        """Write the front page: the first notebook's first view, without its question, which would cover it."""
        live = replace(live, state={**live.state, "prediction": None}, answers={})
        moving = self.book.prose(f"![{animation.WORDS}](figures/live.webp)", "notebooks/index.md")
        known = {"notebooks": self.entries, "teaching": self.texts.get("notebooks/INSTRUCTOR.md", "")}
        body = self.layout.get_template("front.html.j2").render(live=live, animation=moving, **known)
        said = "A live picture of why knowledge distillation works in generative models, and ten notebooks."
        self.page("index.html", "Why distillation works in generative models", said, body, [live], kind="front")

    def own(self) -> None:
        """Write the page of a world of the reader's own, whose address may hold another one."""
        view = OwnView(world_of(make_scene("line")), addressed=True)
        live = live_of("own", view, self.sweeps)
        view.close()
        body = self.layout.get_template("own.html.j2").render(live=live)
        said = "Draw a mixture, and watch precision and recall of a student while its teacher becomes more selective."
        self.page(OWN, "Draw a world of your own", said, body, [live], kind="wide")

    def text(self, file: str, place: str) -> None:
        """Write the page of a Markdown file."""
        source = (ROOT / file).read_text(encoding="utf-8")
        if self.repository:
            source = ADDRESS.sub(rf"\g<1>{self.repository}", source)
        title = re.sub(r"[*`]", "", source.splitlines()[0].removeprefix("# "))
        body = f'<div class="prose">\n{self.book.prose(source, file)}\n</div>'
        self.page(place, title, title, body, [], kind="wide")

    def page(self, place: str, title: str, description: str, body: str, lives: Sequence[Live], **other: Any) -> None:
        """Write a page: its text in the frame that all pages share, the scripts and numbers of its live views."""
        for live in lives:
            self.modules[live.module], self.style = live.source, live.style
            self.parts |= live.parts
        scripts = list(dict.fromkeys(live.module for live in lives))
        menu = [{"place": one.place, "short": one.short, "long": one.long} for one in self.entries]
        menu += [
            {"place": page, "short": name, "long": ""}
            for page, name in MENU.items()
            if page == OWN or page in self.texts.values()
        ]
        states = [{"cell": live.cell, "json": _inside_html(self.state(live))} for live in lives]
        frame = {"before": None, "after": None, "kind": "", **other}
        frame |= {
            "repository": self.repository,
            "place": place,
            "title": title,
            "description": description,
            "body": body,
        }
        html = self.layout.get_template("page.html.j2").render(menu=menu, scripts=scripts, live=states, **frame)
        self.write(place, html)

    def state(self, live: Live) -> dict[str, Any]:
        """What a page hands to a live view: its traits, and which file has the sweep of which settings."""
        sweeps = {name: _file_of(key) for name, key in live.answers.items()}
        return {"module": live.module, "state": live.state, "sweeps": sweeps if "choices" in live.state else None}

    # What pages load

    def assets(self) -> None:
        """Write scripts and styles, and a script for each sweep and each part that a view may ask for."""
        for path in ASSETS.iterdir():
            self.write(f"assets/{path.name}", path.read_bytes())
        self.write("assets/view.css", self.style)
        for name, source in self.modules.items():
            self.write(f"assets/{name}.js", script(source, name))
        for key, sweep in self.sweeps.items():
            file = _file_of(key)
            self.write(f"sweeps/{file}.js", f'kdlab.arrived["sweeps/{file}"] = {_compact(sweep)};\n')
        for name, part in self.parts.items():
            packed = b64encode(zlib.compress(part, 9)).decode()
            pieces = [packed[start : start + PIECE] for start in range(0, len(packed), PIECE)]
            self.write(f"parts/{name}.js", f'kdlab.arrived["parts/{name}"] = {len(pieces)};\n')
            for i, piece in enumerate(pieces):
                self.write(f"parts/{name}-{i}.js", f'kdlab.arrived["parts/{name}-{i}"] = "{piece}";\n')


def main(argv: Sequence[str] | None = None) -> int:
    """Build the site; return 1 where that cannot be, and leave an older site as it was."""
    parser = argparse.ArgumentParser(description="Build the static site.")
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="the folder to write (default: site)")
    out = parser.parse_args(argv).out
    try:
        print(animation.refreshed())
        publish(out)
    except PublishError as error:
        print(f"publish.py: {error}", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in _files(out))
    print(f"{out}: {len(list(out.glob('*.html')))} pages, {size / 1e6:.1f} MB. Open {out / 'index.html'}")
    return 0


def publish(out: Path) -> None:
    """Build the site beside ``out`` and put it there whole, in place of an older one.

    Raises PublishError where ``out`` holds something else than a site, or the site is over 20 MB.
    """
    if out.exists() and any(out.iterdir()) and not (out / ".nojekyll").is_file():
        raise PublishError(f"{out} holds files that this script did not write: name another folder with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".site-") as temporary:
        built = Path(temporary) / "site"
        built.mkdir()
        Site(built).build()
        size = sum(file.stat().st_size for file in _files(built))
        if size > MAX_BYTES:
            raise PublishError(
                f"the site has {size} bytes and stays within {MAX_BYTES}: show fewer or smaller pictures"
            )
        if out.exists():
            shutil.rmtree(out)
        built.rename(out)


def _place(path: Path) -> tuple[str, str]:
    """What notebooks are ordered by."""
    return AFTER.get(path.stem, (path.stem[:2],))[0], path.stem


def _entry(path: Path) -> Entry:
    """What a notebook's first cell says of it."""
    opening = nbformat.read(path, as_version=4).cells[0].source
    minutes = re.search(r"\*\*Time\*\*\s+about ([\w-]+) minutes", opening)
    if not opening.startswith("# ") or not minutes:
        raise PublishError(
            f'{path.name} does not open with a title and its time: write "# ..." and "**Time** about ten minutes"'
        )
    words = {"ten": "10", "twenty": "20"}
    title = opening.splitlines()[0].removeprefix("# ")
    short = "" if path.parent.name == "neighbours" else AFTER.get(path.stem, (path.stem[:2],))[-1]
    return Entry(path, f"{path.stem}.html", short, title, words.get(minutes[1], minutes[1]))


def _file_of(key: str) -> str:
    """A short file name for a sweep's key, which may be a sentence."""
    plain = re.sub("[^a-z0-9]+", "-", key.lower()).strip("-")[:40]
    return f"{plain}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _inside_html(value: Any) -> str:
    """JSON that no browser takes for the end of its script element."""
    return _compact(value).replace("<", "\\u003c")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
