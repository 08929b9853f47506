"""The front door, the rooms behind it, and their sizes."""

import ast
import re
import sys
from types import ModuleType

import draw_rooms
from support.repository import BOOKS, ROOT, cells, every_book, text, tracked_files

import kdlab
from kdlab.pictures.live import front_end

# The front door: what notebooks may import, and what there is for them.

ROOMS = {name: room for name in kdlab.__all__ if isinstance(room := getattr(kdlab, name), ModuleType)}
# Where a notebook goes behind the door, because it is about the work itself; the door would have to load PyTorch.
BEHIND = {
    "05_meet_smollm2": {"kdlab.lm.pipeline.corpus", "kdlab.lm.pipeline.fetch", "kdlab.lm.pipeline.reading"},
    "06_distil_smollm2": {"kdlab.lm.pipeline"},
    "measure_your_own": {"kdlab.lm.pipeline"},
}


def code_of(path, *, first_screen=False):
    """The code of a notebook as a syntax tree; of its first screen only, which ends with its first picture."""
    sources = []
    for cell in cells(path, "code"):
        sources.append(re.sub(r"^[%!].*$", "", cell.source, flags=re.M))
        if first_screen and any("image/png" in output.get("data", {}) for output in cell.outputs):
            break
    return ast.parse("\n".join(sources))


def imported(tree):
    """What code imports: (module, name) for each name, and ("numpy", "") for `import numpy`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {(node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
    return found


def reached(tree):
    """What code asks of a room: ("mixtures", "plots", "figure") for mixtures.plots.figure."""
    for node in ast.walk(tree):
        names = ast.unparse(node).split(".") if isinstance(node, ast.Attribute) else []
        if names and names[0] in ROOMS and all(map(str.isidentifier, names)):
            yield tuple(names)


def not_offered(names):
    """The first of the names in mixtures.plots.figure that its module does not offer; "" where all are offered."""
    place = ROOMS[names[0]]
    for name in names[1:]:
        if not isinstance(place, ModuleType):
            break
        if name not in getattr(place, "__all__", ()):
            return name
        place = getattr(place, name)
    return ""


@every_book
def test_a_notebook_imports_from_the_front_door(path):
    ours = {(module, name) for module, name in imported(code_of(path)) if module.partition(".")[0] == "kdlab"}
    assert {name for module, name in ours if module == "kdlab"} <= set(kdlab.__all__)
    assert {module for module, _ in ours} - {"kdlab"} == BEHIND.get(path.stem, set())


@every_book
def test_the_first_screen_of_a_notebook_imports_little(path):
    found = imported(code_of(path, first_screen=True))
    assert 0 < len(found) <= 6, found
    assert len({module for module, _ in found}) <= 2, found


@every_book
def test_a_notebook_asks_rooms_for_what_they_offer(path):
    asked = set(reached(code_of(path)))
    assert asked
    assert [".".join(names) for names in asked if not_offered(names)] == []


def test_the_checks_of_the_front_door_can_fail():
    tree = ast.parse("import kdlab.lm.sizes\nfrom kdlab.core import files\nmixtures.plots.png(1).size\nlm._cut")
    assert imported(tree) == {("kdlab.lm.sizes", ""), ("kdlab.core", "files")}
    assert set(map(not_offered, reached(tree))) == {"", "_cut", "png"}


def test_nothing_lies_behind_the_front_door_that_nobody_uses():
    pages = "\n".join(map(text, ("README.md", "notebooks/SYMBOLS.md", "notebooks/MISCONCEPTIONS.md")))
    used = {name for line in re.findall(r"^from kdlab import (.*)$", pages, flags=re.M) for name in line.split(", ")}
    used |= {name for path in BOOKS for module, name in imported(code_of(path)) if module == "kdlab"}
    assert used == set(kdlab.__all__)


# The rooms, and their sizes.


def python_files(*folders):
    return [file for file in tracked_files() if file.suffix == ".py" and file.relative_to(ROOT).parts[0] in folders]


def lines(files):
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def test_the_package_stays_small():
    page = [file for file in tracked_files() if file.suffix in (".js", ".css") and ROOT / "kdlab" in file.parents]
    sizes = {"kdlab": lines(python_files("kdlab")), "page": lines(page), "tests": lines(python_files("tests"))}
    # A little more than there is today. Of the page's lines half are of a reader's own world, and a sixth of students
    # that answer: no kernel helps either. Of the package's 1,500 are the eight neighbours', which nothing else needs,
    # and 1,300 for models of a reader's own.
    assert sizes["kdlab"] < 21_600 and sizes["page"] < 6_170 and sizes["tests"] < 25_960, sizes


def test_the_code_of_a_drawn_world_stays_small():
    """Tools, view and solver as a page gets them: unminified."""
    view, solver = ["view_own", "own_space", "world"], ["measure", "contours", "fit", "path", "own_worker"]
    page = front_end("pictures/plane.js", *(f"mixtures/{name}.js" for name in (*view, *solver)))
    assert len(page.encode()) < 120_000, len(page.encode())


def test_no_file_and_no_function_is_long_and_no_room_crowded():
    files = python_files("kdlab", "notebooks", "scripts", "tests")
    assert {str(file.relative_to(ROOT)): lines([file]) for file in files if lines([file]) > 420} == {}
    functions = [
        (f"{file.relative_to(ROOT)}: {node.name}", node.end_lineno - node.lineno + 1)
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [one for one in functions if one[1] > 40] == []
    crowd = {folder: len(list(folder.glob("*.py"))) for folder in {file.parent for file in python_files("kdlab")}}
    assert {str(folder.relative_to(ROOT)): count for folder, count in crowd.items() if count > 20} == {}


def test_the_picture_of_the_rooms_is_what_is_there_now(capsys, monkeypatch):
    assert draw_rooms.fresh() == text("notebooks/figures/rooms.svg"), "run make rooms"
    monkeypatch.setattr(sys, "argv", ["draw_rooms.py", "--count"])
    draw_rooms.main()
    assert capsys.readouterr().out.endswith("0 upwards; no circle\n")


def test_a_circle_is_found():
    assert set(draw_rooms.circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == {"b", "c"}
    assert draw_rooms.circle({"a": {"b", "c"}, "b": {"c"}}) == []
    assert draw_rooms.arrows({"kdlab.lm.a": {"kdlab.core.b", "kdlab.lm.c", "kdlab"}}) == {("lm", "core"): 1}
