"""What a run was: taken from its results, for any run; recorded ones are found from anywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.fake_results import PATH, TRUNCATED, fake_results

from kdlab.lm.folder import read_results, recorded_folder
from kdlab.lm.report import summary


def test_which_run_says_model_sizes_device_and_day() -> None:
    said = summary.which_run(fake_results())
    for part in (
        "SmolLM2-135M-Instruct, its first 4,096 tokens, 108,567,360 parameters",
        "rung 2M, 1,900,000 parameters, from scratch on 32,768 texts of p*, once",
        "rung 0.4M, 400,000 parameters, from scratch on 24,576 texts, once",
        "up to 32 tokens, all begin with 'One day, a little'",
        "512 texts of p*",
        "1 of 1 finished",
        "2026-01-31, on CPU (x86_64, 2 threads)",
    ):
        assert part in said
    assert "not scored" not in said
    assert "not scored seed 0: tau-0.6" in summary.which_run({**fake_results(), "missing": ["seed 0: tau-0.6"]})


def test_other_settings_are_said_as_they_are() -> None:
    results = fake_results()
    results["config"] |= {"vocabulary": None, "teacher_epochs": 1, "student_epochs": 2, "keep": "last"}
    results["truth"]["name"] = "HuggingFaceTB/SmolLM2-1.7B"
    said = summary.which_run(results)
    assert "HuggingFaceTB/SmolLM2-1.7B, 108" in said and "p*, once" in said and "texts, twice" in said


def test_which_weights_is_read_from_the_provenance() -> None:
    results = fake_results()
    results["truth"]["provenance"] = {"model": "HuggingFaceTB/SmolLM2-135M-Instruct, quantised to Q8_0"}
    said = summary.which_run(results)
    assert "p*         SmolLM2-135M-Instruct, 8-bit (Q8_0), its first 4,096 tokens, 108" in said
    recorded = summary.open_run("recorded/cpu")
    assert "SmolLM2-135M-Instruct, 4-bit (Q4_1), the 4,096 tokens that it uses most" in summary.which_run(recorded)
    assert "SmolLM2-135M-Instruct, 4-bit (Q4_1), the 4,096 tokens" in summary.against_the_paper(recorded)
    assert "bit" not in summary.which_run(summary.open_run("recorded/smoke"))


def test_the_paper_stands_beside_the_run() -> None:
    lines = summary.against_the_paper(fake_results()).splitlines()
    table = {line[:15].strip(): (line[15:49].strip(), line[49:].strip()) for line in lines[1:-1]}
    assert table["teacher"] == ("360M, 10,000,000 texts x 5", "2M, 32,768 texts x 1")
    assert table["students"] == ("135M, 10,000,000 texts x 1 (5 *)", "0.4M, 24,576 texts x 1")
    assert table["tau"] == ("0.8, 0.875, 0.95, 1", "0.6, 0.8, 0.9, 1")
    cut = summary.against_the_paper(fake_results(truncated={"top-k-50": (-5.0, -5.2)}))
    assert "0.6, 0.8, 0.9, 1, top-k 50\n" in cut
    assert table["batch, rate"] == ("256, 0.0005", "64, 0.002")
    assert table["seeds"] == ("5", "1")
    assert len(table) == len(lines) - 2 and all(all(cells) for cells in table.values())


def test_lengths_are_nats_per_text_over_nats_per_token() -> None:
    lines = summary.lengths(fake_results()).splitlines()
    names = ["p*", "teacher", "direct", *(f"tau {tau:g}" for tau in sorted(PATH)[::-1])]
    assert [line.split("  ")[0] for line in lines] == names
    assert all(line.endswith("22.0 tokens per text") for line in lines)
    assert summary.lengths(fake_results({}, direct=None, teacher=None, ceiling=None)) == ""


def test_lost_texts_are_those_of_the_coldest_student() -> None:
    said = summary.lost_texts(fake_results())
    assert "· One day, a little text that τ = 0.6 lost." in said and "τ = 0.8" not in said
    assert "nats per token under p* −3.00,  direct −5.25,  τ = 0.6 −9.50" in said
    assert "yet" in summary.lost_texts({**fake_results(), "lost": []})
    told = fake_results()
    told["lost"][0]["at_one"] = -7.25
    assert "direct −5.25,  τ = 1 −7.25,  τ = 0.6 −9.50" in summary.lost_texts(told)
    long = fake_results()
    long["lost"][0]["text"] = "line\n\n" + "word " * 60
    assert max(map(len, summary.lost_texts(long).splitlines())) <= 108 and "line / word" in summary.lost_texts(long)


def test_recorded_runs_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert summary.open_run("recorded/smoke") == read_results(recorded_folder() / "smoke")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "results.json").write_text(json.dumps(fake_results()), encoding="utf-8")
    assert summary.open_run("mine") == summary.open_run(str(tmp_path / "mine")) == fake_results()
    with pytest.raises(ValueError, match="there is no run there"):
        summary.open_run("nowhere")


def test_recorded_runs_are_small_and_name_no_machine() -> None:
    found = sorted(recorded_folder().glob("*/results.json"))
    assert found
    for path in found:
        assert path.stat().st_size < 150_000
        text = path.read_text(encoding="utf-8")
        assert os.sep + "home" not in text and "/tmp/" not in text and "/root" not in text
        results = read_results(path.parent)
        assert results["missing"] == [] and results["recalls_together"]["names"]
        assert results.get("kind") == "measure" or results["map"] and results["lost"]


def test_the_table_has_every_number_and_what_is_missing() -> None:
    results = {**fake_results(), "missing": ["seed 1: tau-0.6, tau-1"]}
    lines = summary.table(results).splitlines()
    assert "p* bundled with 4,096 tokens" in lines[0] and lines[0].endswith("; CPU (x86_64, 2 threads), 2026-01-31")
    assert lines[2].split()[:5] == ["p*", "itself", "−2.83", "±", "0.02"]
    assert lines[5].split() == ["tau", "0.6", "−3.73", "±", "0.05", "−6.51", "±", "0.05"]
    assert lines[-2:] == ["seeds finished: 1 of 1", "not scored yet: seed 1: tau-0.6, tau-1"]
    several = summary.table(fake_results(seeds=2, over_seeds=0.31), "sequence", where=False)
    assert "−82.06 ± 1.10 (6.82)" in several and "not scored" not in several and "2026" not in several


def test_students_of_truncated_samples_are_in_all_lists() -> None:
    results = fake_results(truncated=TRUNCATED)
    lines = summary.table(results).splitlines()
    assert lines[9].split() == ["top-k", "50", "−5.00", "±", "0.05", "−5.05", "±", "0.05"]
    assert summary.lengths(results).splitlines()[-1] == "top-p 0.9  22.0 tokens per text"
    assert "student at top-k 50" in summary.side_by_side(results)
    assert summary.lost_texts(results) == summary.lost_texts(fake_results())


def test_samples_stand_side_by_side() -> None:
    texts = {"truth": ["One day, a little girl"] * 5, "direct": ["One day, a little " + "dog " * 12] * 5}
    lines = summary.side_by_side({**fake_results(), "texts": texts}, n=2, width=30).splitlines()
    assert lines[0].split() == ["p*", "direct"]
    assert lines[3] == "One day, a little girl        One day, a little dog dog"
    assert max(map(len, lines)) < 60 and len([line for line in lines if line.startswith("One day")]) == 2


def test_results_need_no_torch(tmp_path: Path) -> None:
    """On Binder there is none: a module that is None in sys.modules cannot be imported."""
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; from kdlab.cli import main; "
        "import kdlab.lm.headless; sys.exit(main(['results', sys.argv[1]]))"
    )
    (tmp_path / "results.json").write_text(json.dumps(fake_results()), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "−3.73" in done.stdout and (tmp_path / "precision_recall.svg").is_file()
