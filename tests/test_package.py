"""The package around the maths: what an import costs, and files that must not drift apart."""

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

import pytest
import yaml
from packaging.requirements import Requirement
from support.repository import ROOT, text, tracked_files

import kdlab

HEAVY = ("IPython", "anywidget", "ipywidgets", "matplotlib", "scipy", "torch", "transformers")
# conda-forge's name of what the package index calls otherwise.
INDEX_NAME = {"pytorch": "torch"}
# Whom a link in this repository may lead to. Nothing is fetched from anywhere at run time.
LINKS = {
    "anywidget.dev", "arxiv.org", "creativecommons.org", "doi.org", "github.com", "mybinder.org", "openreview.net",
    "www.apache.org", "www.w3.org", "127.0.0.1", "localhost",
}  # fmt: skip


def fresh_python(code):
    """Run code in a new Python and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


def loaded(code, modules=HEAVY):
    """Which of ``modules`` a new Python has loaded after running ``code``."""
    listing = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    names = json.loads(fresh_python(listing).splitlines()[-1])
    return {module for module in modules if any(name == module or name.startswith(f"{module}.") for name in names)}


def pins(name):
    """The versions in a lock file: {package: {version, ...}}, names as the index writes them."""
    versions = {}
    for line in text(name).splitlines():
        if line and not line.startswith("#"):
            package, version = line.split(";")[0].strip().split("==")
            versions.setdefault(package, set()).add(version)
    return versions


# What an import brings and costs.


def test_importing_kdlab_loads_nothing_heavy():
    assert loaded("import kdlab") == set()
    assert loaded("import kdlab, scipy.special, matplotlib") == {"scipy", "matplotlib"}  # so the check can fail


@pytest.mark.parametrize(
    ("modules", "stay_out"),
    [
        ("mixtures.experiment", ("anywidget", "ipywidgets", "matplotlib", "torch")),
        ("mixtures.plots ngrams.plots", ("anywidget", "ipywidgets", "matplotlib.pyplot", "torch")),
        ("mixtures.limits", ("anywidget", "ipywidgets", "matplotlib", "scipy", "torch")),
        # The first slider must not wait for matplotlib: a view draws nothing until a picture is asked for.
        (
            "mixtures.view mixtures.view_single mixtures.view_mechanism mixtures.view_own "
            "ngrams.view ngrams.view_tries lm.view_next_token",
            ("PIL", "matplotlib", "torch"),
        ),
        ("lm.recording", ("anywidget", "matplotlib", "torch")),
        ("lm.report.tradeoff lm.report.changes", ("ipywidgets", "matplotlib", "torch", "transformers")),
        ("lm.sizes lm.pipeline.fetch", ("torch", "transformers")),
        ("cli", ("matplotlib", "scipy", "torch")),
    ],
)
def test_modules_load_only_what_stands_below_them(modules, stay_out):
    """Several that must leave the same alone are imported in one Python: whatever any of them loads is seen."""
    assert loaded("\n".join(f"import kdlab.{module}" for module in modules.split()), stay_out) == set()


SHOW = "from kdlab import mixtures as m; view = "


# What notebooks 00, 01, 02, 04, 05 and 08 do up to their first slider.
FIRST = "\n".join(
    [
        f"from kdlab import doctor; doctor(brief=True); {SHOW} m.show(m.teacher_entropy('line', 1), predict=ask)",
        f"{SHOW} m.by_hand('line', predict=ask)",
        f"{SHOW} m.show(m.teacher_entropy('ring', 1), predict=ask)",
        "from kdlab import ngrams; sweep = ngrams.teacher_temperature(); student = sweep.at(1).student\n"
        "ngrams.letters(sweep.truth, sweep.teacher, student, 'mary')._repr_mimebundle_()\n"
        "view = ngrams.show(sweep, predict=ask)",
        "view = ngrams.show_tries(ngrams.tries_over_tau(sweep), predict=ask)",
        "from kdlab import lm; recording = lm.read_recording()\n"
        "lm.pieces(list(recording.cuts.values()))._repr_mimebundle_()\n"
        "for scored in (recording.ways, recording.scored): lm.costs(scored)._repr_mimebundle_()\n"
        "view = lm.show(list(recording.sweeps.values()), predict=ask)",
    ]
)


def test_the_first_slider_of_a_notebook_waits_for_no_drawing():
    ask = "ask = {'question': '?', 'options': ['yes', 'no'], 'outcome': 'yes'}"
    code = re.sub("^(.*view = .*)$", r"\1\nassert view._repr_mimebundle_()[0]['image/png']", FIRST, flags=re.M)
    assert code.count("assert") == 6
    assert loaded(f"{ask}\n{code}", ("PIL", "matplotlib", "scipy", "torch")) == set()


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
        names = wheel.namelist()
    there = {file.relative_to(source).as_posix() for file in (source / "kdlab").rglob("*") if file.is_file()}
    wanted = {name for name in there if not re.search("/corpus/(train|validation)/", name)}
    assert "kdlab/data/recorded/cpu/corpus/evaluation/shard-00000.npz" in wanted  # all that 07 reads
    assert {name for name in names if name.startswith("kdlab/")} == wanted
    part = {file.name for file in (source / "kdlab/pictures/labextension").iterdir()}
    beside = {name.rpartition(".data/data/")[2] for name in names if ".data/" in name}
    assert beside == {f"share/jupyter/labextensions/kdlab/{name}" for name in part} != set()


# Those that run without PyTorch and a model.
EXAMPLES = [
    ".".join(file.relative_to(folder).with_suffix("").parts)
    for folder, room in ((ROOT, "kdlab"), (ROOT / "notebooks", "publishing"))
    for file in sorted((folder / room).rglob("*.py"))
    if re.search(r">>> (?!.*doctest: \+SKIP)", file.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples_in_docstrings(module):
    found = doctest.testmod(importlib.import_module(module))
    assert found.failed == 0 < found.attempted


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
    # The badge opens a notebook that exists.
    (place,) = re.findall(r"mybinder\.org/v2/\S+\?urlpath=lab/tree/(\S+)", text("README.md"))
    assert (ROOT / place).is_file(), place


# What the README promises.


@pytest.mark.parametrize(
    "name",
    ["README.md", "CONTRIBUTING.md", "notebooks/PLACES.md", ".ci/run", "kdlab/cli/commands.py", "kdlab/cli/doctor.py"],
)
def test_commands_that_are_written_down_exist(name):
    written = set(re.findall(r"(?:`|^ *)make ([a-z]+)", text(name), flags=re.M))
    assert written <= set(re.findall(r"^([a-z]+):", text("Makefile"), flags=re.M))
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
    (required,) = re.findall(r"^export (.*)$", text(".ci/run"), flags=re.M)
    assert required.split() == [f"KDLAB_REQUIRE_{what}=1" for what in ("BROWSER", "FIREFOX", "TORCH", "WEIGHTS")]
    assert "kdlab fetch smollm2" in text(".ci/run")
    steps = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]["tests"]["steps"]
    assert steps[-1] == {"run": "bash .ci/run"}


def anchors(file):
    """The headings of a page, as links name them."""
    headings = re.findall(r"^##? (.*)$", file.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("name", "most"),
    [("README.md", 75), ("CONTRIBUTING.md", 140), ("notebooks/PLACES.md", 130), ("notebooks/OTHERS.md", 140)],
)
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
