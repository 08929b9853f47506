"""The package around the maths: its front door, its rooms and sizes, and files that must not drift apart."""

import ast
import doctest
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement

import kdlab

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("IPython", "anywidget", "ipywidgets", "matplotlib", "scipy", "torch", "transformers")
# conda-forge's name of what the package index calls otherwise.
INDEX_NAME = {"pytorch": "torch"}
# Whom a link in this repository may lead to. Nothing is fetched from anywhere at run time.
LINKS = {
    "anywidget.dev",
    "arxiv.org",
    "creativecommons.org",
    "doi.org",
    "github.com",
    "mybinder.org",
    "openreview.net",
    "www.apache.org",
    "www.w3.org",
    "127.0.0.1",
    "localhost",
}


def fresh_python(code):
    """Run code in a new Python and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


def loaded(code, modules=HEAVY):
    """Which of ``modules`` a new Python has loaded after running ``code``."""
    listing = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    names = json.loads(fresh_python(listing).splitlines()[-1])
    return {module for module in modules if any(name == module or name.startswith(f"{module}.") for name in names)}


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def pins(name):
    """The versions in a lock file: {package: {version, ...}}, names as the index writes them."""
    versions = {}
    for line in text(name).splitlines():
        if line and not line.startswith("#"):
            package, version = line.split(";")[0].strip().split("==")
            versions.setdefault(package, set()).add(version)
    return versions


def tracked_files():
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        pytest.skip(f"not a git checkout: {done.stderr.strip()}")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


# What an import brings and costs.


def test_importing_kdlab_loads_nothing_heavy():
    assert loaded("import kdlab") == set()


@pytest.mark.parametrize("module", ["scipy.special", "matplotlib", "ipywidgets"])
def test_the_check_on_heavy_imports_can_fail(module):
    assert module.split(".")[0] in loaded(f"import kdlab, {module}")


@pytest.mark.parametrize(
    ("module", "stay_out"),
    [
        ("mixtures.experiment", ("anywidget", "ipywidgets", "matplotlib", "torch")),
        ("mixtures.plots", ("anywidget", "ipywidgets", "matplotlib.pyplot", "torch")),
        ("mixtures.limits", ("anywidget", "ipywidgets", "matplotlib", "scipy", "torch")),
        # The first slider must not wait for matplotlib: a view draws nothing until a picture is asked for.
        *(
            (view, ("PIL", "matplotlib", "torch"))
            for view in (
                "mixtures.view",
                "mixtures.view_single",
                "ngrams.view",
                "mixtures.view_mechanism",
                "lm.view_next_token",
            )
        ),
        ("lm.recording", ("anywidget", "matplotlib", "torch")),
        ("lm.sizes", ("torch", "transformers")),
        ("lm.pipeline.fetch", ("torch", "transformers")),
        ("cli", ("matplotlib", "scipy", "torch")),
    ],
)
def test_modules_load_only_what_stands_below_them(module, stay_out):
    assert loaded(f"import kdlab.{module}", stay_out) == set()


SHOW = "from kdlab import mixtures as m; view = "


@pytest.mark.parametrize(
    "first",
    [
        f"from kdlab import doctor; doctor(brief=True); {SHOW} m.show(m.teacher_entropy('line', 1), predict=ask)",
        f"{SHOW} m.by_hand('line', predict=ask)",
        f"{SHOW} m.show(m.teacher_entropy('ring', 1), predict=ask)",
    ],
    ids=["00", "01", "02"],
)
def test_the_first_slider_of_a_notebook_waits_for_no_drawing(first):
    ask = "ask = {'question': '?', 'options': ['yes', 'no'], 'outcome': 'yes'}"
    shown = "assert view._repr_mimebundle_()[0]['image/png']"
    assert loaded(f"{ask}\n{first}\n{shown}", ("PIL", "matplotlib", "scipy", "torch")) == set()


def test_importing_kdlab_costs_little_more_than_numpy():
    code = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
    seconds = {"numpy": [], "kdlab": []}
    # The fastest of up to 20, in turn: other work on the machine only ever adds.
    for _ in range(20):
        for module, times in seconds.items():
            times.append(float(fresh_python(code.format(module))))
        ratio = min(seconds["kdlab"]) / min(seconds["numpy"])
        if len(seconds["numpy"]) >= 5 and ratio <= 1.3:
            break
    assert ratio <= 1.3, seconds


def test_public_names_and_version():
    assert sorted(kdlab.__all__) == kdlab.__all__
    assert all(hasattr(kdlab, name) for name in kdlab.__all__)
    assert {"Estimate", "Fit", "GaussianMixture", "fit_mixture", "precision", "recall"} <= set(kdlab.__all__)
    assert metadata.version("kdlab") == kdlab.__version__
    assert yaml.safe_load(text("CITATION.cff"))["version"] == kdlab.__version__


@pytest.mark.slow
def test_a_wheel_carries_the_page_and_the_data(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "kdlab", source / "kdlab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-prose"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, source], check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("kdlab-*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith("kdlab/")}
    there = {file.relative_to(source).as_posix() for file in (source / "kdlab").rglob("*") if file.is_file()}
    assert packed == there


# Those that run without PyTorch and a model.
EXAMPLES = [
    file
    for file in sorted((ROOT / "kdlab").rglob("*.py"))
    if re.search(r">>> (?!.*doctest: \+SKIP)", file.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.relative_to(ROOT / "kdlab").as_posix())
def test_examples_in_docstrings(file):
    found = doctest.testmod(importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts)))
    assert found.failed == 0 < found.attempted


# The front door: what notebooks may import, and what there is for them.

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ROOMS = {name: room for name in kdlab.__all__ if isinstance(room := getattr(kdlab, name), ModuleType)}
# Where a notebook goes behind the door, because it is about the work itself; the door would have to load PyTorch.
BEHIND = {
    "05_meet_smollm2": {"kdlab.lm.pipeline.corpus", "kdlab.lm.pipeline.fetch", "kdlab.lm.pipeline.reading"},
    "06_distil_smollm2": {"kdlab.lm.pipeline"},
}
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_of(path, *, first_screen=False):
    """The code of a notebook as a syntax tree; of its first screen only, which ends with its first picture."""
    sources = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
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


@every_notebook
def test_a_notebook_imports_from_the_front_door(path):
    ours = {(module, name) for module, name in imported(code_of(path)) if module.partition(".")[0] == "kdlab"}
    assert {name for module, name in ours if module == "kdlab"} <= set(kdlab.__all__)
    assert {module for module, _ in ours} - {"kdlab"} == BEHIND.get(path.stem, set())


@every_notebook
def test_the_first_screen_of_a_notebook_imports_little(path):
    found = imported(code_of(path, first_screen=True))
    assert 0 < len(found) <= 6, found
    assert len({module for module, _ in found}) <= 2, found


@every_notebook
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
    used |= {name for path in NOTEBOOKS for module, name in imported(code_of(path)) if module == "kdlab"}
    assert used == set(kdlab.__all__)


# The rooms, and their sizes.


def python_files(*folders):
    return [file for file in tracked_files() if file.suffix == ".py" and file.relative_to(ROOT).parts[0] in folders]


def lines(files):
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def test_the_package_stays_small():
    page = [file for file in tracked_files() if file.suffix in (".js", ".css") and ROOT / "kdlab" in file.parents]
    sizes = {"kdlab": lines(python_files("kdlab")), "page": lines(page), "tests": lines(python_files("tests"))}
    assert sizes["kdlab"] < 13_900 and sizes["page"] < 1_950 and sizes["tests"] < 16_500, sizes


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


@pytest.fixture
def rooms(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("draw_rooms")


def test_the_picture_of_the_rooms_is_what_is_there_now(rooms, capsys, monkeypatch):
    assert rooms.fresh() == text("notebooks/figures/rooms.svg"), "run make rooms"
    monkeypatch.setattr(sys, "argv", ["draw_rooms.py", "--count"])
    rooms.main()
    assert capsys.readouterr().out.endswith("0 upwards; no circle\n")


def test_a_circle_is_found(rooms):
    assert set(rooms.circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == {"b", "c"}
    assert rooms.circle({"a": {"b", "c"}, "b": {"c"}}) == []
    assert rooms.arrows({"kdlab.lm.a": {"kdlab.core.b", "kdlab.lm.c", "kdlab"}}) == {("lm", "core"): 1}


# One lock is the truth.


def test_everything_that_pyproject_asks_for_is_locked():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    base, lm = pins("requirements.lock"), pins("requirements-lm.lock")
    for wanted, lock in [
        (project["dependencies"] + extras["lab"] + extras["site"] + extras["test"], base),
        (project["dependencies"] + extras["lm"], lm),
    ]:
        for requirement in map(Requirement, wanted):
            versions = lock.get(requirement.name, set())
            assert versions, f"{requirement.name} is not locked: run make lock"
            assert all(map(requirement.specifier.contains, versions)), f"{requirement} against {versions}"
    different = {name for name in base.keys() & lm.keys() if base[name] != lm[name]}
    assert not different


def test_the_locks_hold_versions_and_nothing_else():
    for name in ("requirements.lock", "requirements-lm.lock"):
        lines = [line for line in text(name).splitlines() if not line.startswith("#")]
        assert all(re.match(r"[a-z0-9.-]+==[^ ]+( ; .+)?$", line) for line in lines)
        assert "://" not in text(name)
    assert not [name for name in pins("requirements-lm.lock") if name.startswith(("nvidia", "cuda", "triton"))]


def test_environment_yml_has_the_versions_of_the_locks():
    environment = yaml.safe_load(text("environment.yml"))
    assert environment["name"] == "kdlab"
    locked = pins("requirements.lock") | pins("requirements-lm.lock")
    named = dict(entry.partition("=")[::2] for entry in environment["dependencies"])
    assert named.pop("python") in ("3.11", "3.12")
    assert (named.pop("pip"), named.pop("setuptools")) == ("", "")
    for package, version in named.items():
        versions = locked[INDEX_NAME.get(package, package)]
        assert any(f"{full}.".startswith(f"{version}.") for full in versions), f"{package}={version} against {versions}"

    project = tomllib.loads(text("pyproject.toml"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["lab"]
    assert {Requirement(entry).name for entry in wanted} <= named.keys()


def test_binder_builds_the_same_environment():
    link = ROOT / "binder" / "environment.yml"
    assert link.is_symlink()
    assert os.readlink(link) == "../environment.yml"
    # Relative paths would be looked up beside the link, and a pip section would bring its own versions.
    assert "pip:" not in text("environment.yml")
    assert {"set -e", "python -m pip install --no-deps --no-build-isolation ."} <= set(
        text("binder/postBuild").splitlines()
    )
    assert text("binder/start").splitlines()[-1] == 'exec "$@"'
    assert all(os.access(ROOT / "binder" / name, os.X_OK) for name in ("postBuild", "start"))
    # Any other file there (apt.txt, requirements.txt, ...) would be obeyed as well, or instead.
    assert {file.name for file in (ROOT / "binder").iterdir()} == {"environment.yml", "postBuild", "start"}
    assert yaml.safe_load(text("environment.yml"))["channels"] == ["conda-forge", "nodefaults"]


def test_the_binder_badge_opens_a_notebook_that_exists():
    (place,) = re.findall(r"mybinder\.org/v2/\S+\?urlpath=lab/tree/(\S+)", text("README.md"))
    assert (ROOT / place).is_file(), place


# What the README promises.


def makefile_targets():
    return set(re.findall(r"^([a-z]+):", text("Makefile"), flags=re.M))


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "notebooks/PLACES.md", ".ci/run", "kdlab/cli/commands.py"]
)
def test_commands_that_are_written_down_exist(name):
    written = set(re.findall(r"(?:`|^ *)make ([a-z]+)", text(name), flags=re.M))
    assert written <= makefile_targets()
    from kdlab.cli import main

    for command in set(re.findall(r"(?:`|^ *)kdlab ([a-z]+)", text(name), flags=re.M)):
        with pytest.raises(SystemExit, match="^0$"):
            main([command, "--help"])


def test_the_readme_names_the_commands_that_ci_runs():
    assert {"lab", "test", "check"} <= set(re.findall(r"`?make ([a-z]+)", text("README.md")))
    commands = re.findall(r"^make .*$", text(".ci/run"), flags=re.M)
    assert "make lint" in commands  # the rest of `make check` is part of `make test`
    assert commands[-1] == "make test"
    # CI skips no test for want of a browser, of PyTorch or of the real model.
    assert "export KDLAB_REQUIRE_BROWSER=1 KDLAB_REQUIRE_TORCH=1 KDLAB_REQUIRE_WEIGHTS=1\n" in text(".ci/run")
    assert "kdlab fetch smollm2" in text(".ci/run")
    steps = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]["tests"]["steps"]
    assert steps[-1] == {"run": "bash .ci/run"}


def anchors(file):
    """The headings of a page, as links name them."""
    headings = re.findall(r"^##? (.*)$", file.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("name", "most"), [("README.md", 75), ("CONTRIBUTING.md", 130), ("notebooks/PLACES.md", 130)])
def test_a_page_is_short_and_its_links_lead_somewhere(name, most):
    assert len(text(name).splitlines()) <= most
    links = [one.partition("#") for one in re.findall(r"\]\(([^):]+)\)", text(name))]
    assert links
    for path, hash_, anchor in links:
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists() and (not hash_ or anchor in anchors(file)), path + hash_ + anchor


def test_files_that_contributing_names_exist():
    page = text("CONTRIBUTING.md")
    named = re.findall(r"(?:kdlab|tests|notebooks|benchmarks|scripts)/[\w./]*\w", page)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_one_placeholder_for_the_public_address_in_one_place():
    holders = [file for file in tracked_files() if file != Path(__file__) and b"OWNER" in file.read_bytes()]
    assert holders == [ROOT / "README.md"]
    assert text("README.md").count("OWNER") == 1


def test_no_path_or_host_of_somebody_s_machine_is_committed():
    home = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp)/[\w.]")
    link = re.compile(r"https?://(?:[^/\s\"'<>@]*@)?([\w.-]+)")
    found = []
    for file in tracked_files():
        if file == Path(__file__) or b"\0" in file.read_bytes():
            continue
        content = file.read_text(encoding="utf-8")
        places = home.findall(content) + [host for host in link.findall(content) if host not in LINKS]
        found += [f"{file.relative_to(ROOT)}: {place}" for place in places]
    assert found == []


def test_make_lab_stays_on_this_machine_and_keeps_the_token():
    recipe = text("Makefile").split("\nlab:")[1].split("\n\n")[0].partition("\n")[2]
    assert "--ServerApp.ip=127.0.0.1" in recipe
    assert "lab/tree/notebooks/00_start_here.ipynb" in recipe
    assert not re.search("token|password|disable_check_xsrf|allow_remote", recipe, flags=re.I)
