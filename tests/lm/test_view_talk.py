"""Students that answer, as Python has them: what was recorded, and what is sent when a page asks for it."""

import shutil
import zlib

from kdlab import lm
from kdlab.lessons.predictions import predict, question
from kdlab.lm import plots_talk, view_talk
from kdlab.lm.folder import read_results, recorded_folder
from kdlab.lm.report.attempts import opening
from kdlab.lm.talking import answers, label, models, recalls, weights_folder
from kdlab.lm.view_talk import TalkView

QUESTION = predict("07.talk")


def test_every_part_is_what_was_recorded():
    view = TalkView()
    assert list(view.parts) == ["tokens", "pstar", *answers()["names"]]
    for name, told in view.parts.items():
        part = view.part(name)
        assert (len(part), zlib.crc32(part)) == (told["bytes"], told["crc"])


def test_what_is_damaged_or_missing_is_not_sent(tmp_path, monkeypatch):
    copy = shutil.copytree(weights_folder(), tmp_path / "weights")
    monkeypatch.setattr(view_talk, "weights_folder", lambda: copy)
    view, said = TalkView(), []
    monkeypatch.setattr(view, "send", lambda content, buffers=(): said.append((content, len(buffers))))
    (copy / "direct.safetensors").write_bytes(b"other bytes")
    (copy / "pstar.bin").unlink()
    for part in ("tokens", "direct", "pstar", "no such part"):
        view._on_wish(view, {"part": part}, [])
    for wish in ("no wish at all", {"part": ["tokens"]}, {}):
        view._on_wish(view, wish, [])
    (whole, one), (direct, none), (pstar, _) = said
    assert (whole, one, none) == ({"part": "tokens"}, 1, 0)
    assert direct["error"].endswith("direct.safetensors has other bytes than were recorded: install kdlab again")
    assert pstar["error"].endswith("pstar.bin is not there: install kdlab again")


def test_the_models_have_their_shapes():
    assert [one["label"] for one in models()] == ["direct", "τ = 1", "τ = 0.9", "τ = 0.8", "τ = 0.6", "teacher"]
    assert [one["role"] for one in models()] == ["direct", *["distilled"] * 4, "teacher"]
    assert models()[0]["sizes"] == {"layers": 3, "heads": 2, "kvHeads": 1, "theta": 100_000.0, "eps": 1e-5}


def test_counts_are_of_the_texts():
    told = answers()
    for one in told["beginnings"]:
        for name, texts in one["texts"].items():
            assert len(texts) == told["rows"]
            assert one["different"][name] == len({opening(text) for text in texts})


def test_the_question_has_the_recorded_answer():
    asked, counts = question("07.talk"), answers()["beginnings"][0]["different"]
    students = {name: n for name, n in counts.items() if name != "teacher"}
    least = min(students, key=lambda name: students[name])
    assert asked.answer == f"Those of {label(least)}" and sorted(students.values())[1] > students[least]
    assert f"{students[least]} different openings" in asked.outcome and counts["direct"] == counts["tau-1"] == 11


def test_a_still_does_not_answer_an_open_question():
    asked, free = TalkView(QUESTION), TalkView()
    assert asked.covered and not free.covered
    assert "One text of each: direct: “girl named Luna" in asked.sentence and " 4 of" not in asked.sentence
    assert free.sentence.endswith("11 of direct, 11 of τ = 1, 8 of τ = 0.9, 8 of τ = 0.8, 4 of τ = 0.6.")
    assert asked.still_name() != free.still_name()
    for counts in (True, False):
        made = plots_talk.recorded(counts=counts)
        assert any("4 different openings" in text.get_text() for text in made.texts) == counts
        wide = made.get_size_inches()[0] * made.dpi
        assert all(text.get_window_extent().x1 < wide for text in made.texts)


def test_the_table_says_recall_and_counts():
    first, *rows = lm.talk_table().splitlines()
    begun = ["One day, a little", "One day", "One day, a little girl named", "The world"]
    assert [part.strip() for part in first.split("“")[1:]] == [f"{text}”" for text in begun]
    means = [f"({one['openings']['tau-0.6'][0]:.1f})" for one in answers()["beginnings"]]
    assert rows[4].split() == [
        "τ",
        "=",
        "0.6",
        "−5.72",
        "4",
        means[0],
        *(word for m in means[1:] for word in ("12", m)),
    ]


def test_the_models_are_those_of_the_recorded_run_trained_again():
    run = {
        one["name"]: one["recall"]["token"]["by_seed"][0] for one in read_results(recorded_folder() / "cpu")["models"]
    }
    assert all(abs(run[name] - recall) < 0.02 for name, recall in recalls().items()) and len(recalls()) == 6
