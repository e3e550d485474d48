"""The result file: rows at once, skipped when there, claims computed from them."""

import json
from dataclasses import replace

import pytest

from benchmarks import docs
from benchmarks.harness import Key, Options, Results, Row, floor_and_goal, parse
from benchmarks.origin import machine, machine_name
from benchmarks.picture_sets import SETS
from latentia.data.fetch import MIRROR_CONTENT
from latentia.hardware import detect

KEY = Key("ours", "speed", "batch 8", 0)
OTHER = Key("theirs", "speed")


def results(folder, **options):
    return Results("trial", "How it is done.", Options(**options), folder)


def test_options_are_those_of_the_contract(tmp_path, monkeypatch):
    for variable in (MIRROR_CONTENT, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(variable, "")  # so that what naming data changes is taken back
    place = tmp_path / SETS["orl-faces"].file.path
    place.parent.mkdir(parents=True)
    place.touch()
    options = parse("A benchmark.", ["--quick", "--seed", "3", "--data", str(tmp_path), "--fresh", "--again", "one"])
    assert options == Options(quick=True, seed=3, data=tmp_path, fresh=True, again=("one",))
    assert parse("A benchmark.", []) == Options()


def test_a_folder_without_any_data_set_is_no_mirror(tmp_path, capsys):
    for folder in (tmp_path, tmp_path / "typo"):
        with pytest.raises(SystemExit):
            parse("A benchmark.", ["--data", str(folder)])
        assert f"{folder} holds none of the data sets" in capsys.readouterr().err


def test_the_file_has_the_form_of_the_contract(tmp_path):
    r = results(tmp_path)
    r.measure([KEY], lambda: [Row(KEY, 2.0, "images/s", spread=0.1)])
    r.finish(floor_and_goal("speed", r.value(KEY), floor=1, goal=3, source="a paper", higher_is_better=True))
    document = json.loads((tmp_path / "trial.json").read_text())
    assert set(document) == {"name", "date", "commit", "machine", "protocol", "rows", "claims"}
    assert set(document["machine"]) == {"cpu", "cores", "torch", "load"}
    row = document["rows"][0]
    assert {"system", "metric", "value", "unit", "n_seeds", "spread"} <= set(row)
    assert (row["system"], row["setting"], row["seed"], row["value"]) == ("ours", "batch 8", 0, 2.0)
    assert [set(claim) for claim in document["claims"]] == [
        {"claim", "level", "ours", "anchor", "anchor_source", "holds"}
    ] * 2
    assert [claim["holds"] for claim in document["claims"]] == [True, False]


def test_single_measurements_take_a_line_together(tmp_path):
    r, values = results(tmp_path), [1.5, -2e-7, 3.0]
    r.measure([KEY], lambda: [Row(KEY, 2.0, "s", values=values, details={"where": "in [0, 1]", "none": []})])
    text = (tmp_path / "trial.json").read_text()
    assert "[1.5, -2e-07, 3.0]" in text
    row = json.loads(text)["rows"][0]
    assert (row["values"], row["details"]) == (values, {"where": "in [0, 1]", "none": []})


def test_a_finished_row_is_skipped_and_fresh_starts_over(tmp_path):
    results(tmp_path).measure([KEY], lambda: [Row(KEY, 1.0, "s")])
    again = results(tmp_path)
    again.measure([KEY], lambda: pytest.fail("measured twice"))
    assert again.value(KEY) == 1.0
    fresh = results(tmp_path, fresh=True)
    assert fresh.value(KEY) is None
    fresh.measure([KEY], lambda: [Row(KEY, 5.0, "s")])
    assert results(tmp_path).value(KEY) == 5.0


def test_rows_of_another_seed_or_setting_are_other_rows(tmp_path):
    r = results(tmp_path)
    r.measure([KEY], lambda: [Row(KEY, 1.0, "s")])
    for key in (KEY._replace(seed=1), KEY._replace(setting="batch 16")):
        assert r.find(key) is None
        r.measure([key], lambda key=key: [Row(key, 2.0, "s")])
    assert r.value(KEY) == 1.0


def test_runs_with_other_seeds_do_not_see_each_other(tmp_path, capsys):
    """Also where keys have no seed, or a run has rows of the seeds that follow."""
    for seed, value in ((0, 1.0), (1, 2.0)):
        r = results(tmp_path, seed=seed)
        assert r.find(KEY) is None
        r.measure([KEY, OTHER], lambda value=value: [Row(KEY, value, "s"), Row(OTHER, value, "s")])
    assert [results(tmp_path, seed=seed).value(KEY) for seed in (0, 1)] == [1.0, 2.0]
    assert len(json.loads((tmp_path / "trial.json").read_text())["rows"]) == 4
    capsys.readouterr()
    r.finish([])
    shown = capsys.readouterr().out
    assert shown.count("theirs") == 1
    assert "2" in shown


def test_claims_are_gone_once_other_rows_come(tmp_path):
    claims = floor_and_goal("fast", 2.0, floor=1, goal=None, source="", higher_is_better=True)
    results(tmp_path).finish(claims)
    with pytest.raises(RuntimeError):
        results(tmp_path).measure([KEY, OTHER], broken_off)
    assert json.loads((tmp_path / "trial.json").read_text())["claims"] == []


def test_no_claim_of_a_quick_run_holds(tmp_path):
    claims = floor_and_goal("fast", 2.0, floor=1, goal=None, source="", higher_is_better=True)
    results(tmp_path, quick=True).finish(claims)
    assert not json.loads((tmp_path / "trial.quick.json").read_text())["claims"][0]["holds"]


def broken_off():
    yield Row(KEY, 1.0, "s")
    raise RuntimeError("the machine went away")


def test_rows_are_in_the_file_before_the_measurement_ends(tmp_path):
    with pytest.raises(RuntimeError, match="went away"):
        results(tmp_path).measure([KEY, OTHER], broken_off)
    after = results(tmp_path)
    assert after.value(KEY) == 1.0
    assert after.value(OTHER) is None


def test_rows_that_belong_together_are_measured_together(tmp_path):
    results(tmp_path).measure([KEY], lambda: [Row(KEY, 1.0, "s")])
    r = results(tmp_path)
    r.measure([KEY, OTHER], lambda: [Row(KEY, 3.0, "s"), Row(OTHER, 6.0, "s")])
    assert r.ratio(OTHER, KEY) == 2.0
    assert len(json.loads((tmp_path / "trial.json").read_text())["rows"]) == 2


def test_a_failed_write_leaves_the_old_file(tmp_path):
    r = results(tmp_path)
    r.measure([KEY], lambda: [Row(KEY, 1.0, "s")])
    before = (tmp_path / "trial.json").read_text()
    with pytest.raises(TypeError):
        r.measure([OTHER], lambda: [Row(OTHER, 1.0, "s", details={"unwritable": object()})])
    assert (tmp_path / "trial.json").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["trial.json"]


def test_a_measurement_must_keep_its_promise(tmp_path):
    with pytest.raises(ValueError, match="promised"):
        results(tmp_path).measure([KEY], lambda: [Row(OTHER, 1.0, "s")])


def test_quick_runs_are_kept_apart(tmp_path):
    results(tmp_path, quick=True).measure([KEY], lambda: [Row(KEY, 1.0, "s")])
    assert results(tmp_path).find(KEY) is None
    assert docs.result_documents(tmp_path) == []


def on_another_machine(folder):
    path = folder / "trial.json"
    document = json.loads(path.read_text())
    for row in (document, *document["rows"]):
        row["machine"] = {**document["machine"], "cpu": "Abacus 3000"} if row is document else "Abacus 3000"
    path.write_text(json.dumps(document))


def test_rows_of_another_machine_are_refused(tmp_path):
    results(tmp_path).measure([KEY], lambda: [Row(KEY, 1.0, "s")])
    on_another_machine(tmp_path)
    results(tmp_path).measure([KEY], list)
    with pytest.raises(SystemExit, match=r"benchmarks\.trial --again PART"):
        results(tmp_path).measure([OTHER], lambda: [Row(OTHER, 1.0, "s")])
    results(tmp_path, seed=5).measure([OTHER], lambda: [Row(OTHER, 1.0, "s")])  # nobody compares seeds
    assert results(tmp_path).value(KEY) == results(tmp_path, seed=5).value(OTHER) == 1.0
    assert results(tmp_path, fresh=True).find(KEY) is None


def test_rows_of_another_machine_are_told_apart(tmp_path):
    results(tmp_path).measure([KEY], lambda: [Row(KEY, 1.0, "s")])
    assert not results(tmp_path).measured_elsewhere([KEY])
    on_another_machine(tmp_path)
    r = results(tmp_path)
    assert r.measured_elsewhere([KEY])
    assert not r.measured_elsewhere([KEY, OTHER])
    r.forget_other_machines()
    assert r.find(KEY) is None
    other_seed = results(tmp_path, seed=1)
    other_seed.forget_other_machines()
    other_seed.measure([OTHER], lambda: [Row(OTHER, 1.0, "s")])
    assert results(tmp_path).value(KEY) == 1.0


def test_rows_of_other_seeds_are_not_forgotten(tmp_path):
    for more in ({"fresh": True}, {"again": ("digits",)}):
        for seed in (0, 1):
            r = results(tmp_path, seed=seed)
            with r.within("digits"):
                r.measure([KEY], lambda: [Row(KEY, 1.0, "s")])
        r, other = results(tmp_path, seed=1, **more), OTHER._replace(setting=str(more))
        assert r.find(KEY) is None
        r.measure([other], lambda other=other: [Row(other, 1.0, "s")])
        assert results(tmp_path).value(KEY) == 1.0
        assert results(tmp_path, seed=1).find(KEY) is None


def test_parts_may_be_of_different_machines(tmp_path):
    r = results(tmp_path)
    with r.within("digits"):
        r.measure([KEY], lambda: [Row(KEY, 1.0, "s")])
    on_another_machine(tmp_path)
    r, third = results(tmp_path), Key("third", "speed")
    with r.within("clothes"):
        r.measure([OTHER], lambda: [Row(OTHER, 2.0, "s")])
    with r.within("digits"), pytest.raises(SystemExit, match=r"benchmarks\.trial --again PART"):
        r.measure([third], lambda: [Row(third, 2.0, "s")])
    r.finish([])
    page = docs.page(docs.result_documents(tmp_path))
    assert "- digits: Abacus 3000, commit" in page
    assert "- clothes:" not in page


def test_a_part_is_measured_again_when_asked_to(tmp_path):
    r = results(tmp_path)
    for part, key in (("digits", KEY), ("clothes", OTHER)):
        with r.within(part):
            r.measure([key], lambda key=key: [Row(key, 1.0, "s")])
    again = results(tmp_path, again=("digits",))
    assert again.find(KEY) is None
    assert again.value(OTHER) == 1.0
    with pytest.raises(SystemExit, match="no part 'digit'; those measured are: clothes, digits"):
        results(tmp_path, again=("digit",))


def test_parts_may_lie_within_others(tmp_path):
    r = results(tmp_path)
    with r.within("outer"):
        with r.within("inner"):
            r.measure([KEY], lambda: [Row(KEY, 1.0, "s")])
        r.measure([OTHER], lambda: [Row(OTHER, 1.0, "s")])
    assert [r.find(key)["part"] for key in (KEY, OTHER)] == ["inner", "outer"]


@pytest.mark.parametrize(
    ("ours", "higher", "expected"),
    [
        (30.0, True, [True, True]),
        (12.0, True, [True, False]),
        (5.0, True, [False, False]),
        (5.0, False, [True, True]),
        (30.0, False, [False, False]),
        (None, True, [False, False]),
        (float("nan"), False, [False, False]),
    ],
)
def test_claims(ours, higher, expected):
    floor, goal = (12, 25) if higher else (25, 12)
    claims = floor_and_goal("c", ours, floor=floor, goal=goal, source="s", higher_is_better=higher)
    assert [claim.holds for claim in claims] == expected
    assert [claim.level for claim in claims] == ["floor", "goal"]


def test_rows_of_other_settings_are_measured_again(tmp_path):
    def rows(value, rate):
        return lambda: [Row(KEY, value, "s", details={"rate": rate, "more": 1}), Row(OTHER, value, "s")]

    r = results(tmp_path)
    r.measure([KEY, OTHER], rows(1.0, 0.1), {"rate": 0.1})
    r.measure([KEY, OTHER], lambda: pytest.fail("measured twice"), {"rate": 0.1})
    r.measure([KEY, OTHER], rows(2.0, 0.3), {"rate": 0.3})
    assert [results(tmp_path).value(key) for key in (KEY, OTHER)] == [2.0, 2.0]


def test_a_derived_row_is_as_its_source_and_always_of_today(tmp_path):
    r, derived = results(tmp_path), Key("ours", "lead")
    with r.within("one"):
        r.measure([KEY], lambda: [Row(KEY, 1.0, "s")])
    for value in (3.0, 4.0):
        r.derive(Row(derived, value, "s"), KEY)
    source, row = r.find(KEY), r.find(derived)
    assert row["value"] == 4.0
    assert all(row[fact] == source[fact] for fact in ("part", "commit", "machine", "load", "protocol"))
    assert len(json.loads((tmp_path / "trial.json").read_text())["rows"]) == 2


def test_nothing_is_newer_than_what_was_measured(tmp_path):
    results(tmp_path).measure([KEY], lambda: [Row(KEY, 1.0, "s")])
    path = tmp_path / "trial.json"
    old = {**json.loads(path.read_text()), "date": "2020-01-01", "commit": "abc"}
    path.write_text(json.dumps(old))
    r = Results("trial", "Done in another way.", Options(), tmp_path)
    r.measure([KEY], lambda: pytest.fail("measured twice"))
    r.finish([])
    assert {**json.loads(path.read_text()), "claims": []} == {**old, "claims": []}
    r.measure([OTHER], lambda: [Row(OTHER, 1.0, "s")])
    document = json.loads(path.read_text())
    assert document["protocol"] == "Done in another way."
    assert document["date"] > old["date"]
    assert docs.page([document]).count("by an earlier protocol") == 1


def test_a_floor_to_be_reported_holds_once_measured():
    def report(ours):
        return floor_and_goal("share", ours, floor=None, goal=50, source="s", higher_is_better=True)

    assert [claim.holds for claim in report(30.0)] == [True, False]
    assert [claim.holds for claim in report(None)] == [False, False]


def test_the_page_shows_claims_and_rows(tmp_path):
    r = results(tmp_path)
    r.measure([KEY], lambda: [Row(KEY, 2.0, "images/s", spread=0.1)])
    r.finish(floor_and_goal("twice", r.value(KEY), floor=1, goal=3, source="a paper", higher_is_better=True))
    text = docs.page(docs.result_documents(tmp_path))
    assert "| [trial](#trial) | 1 of 1 | 0 of 1 | twice (goal): 2, not 3 |" in text
    assert "| twice | floor | 2 | 1 | yes | a paper |" in text
    assert "| twice | goal | 2 | 3 | **no** | a paper |" in text
    assert "| ours | speed | batch 8 | 2 | images/s | 0.1 |" in text


def test_rows_of_a_gpu_are_of_another_machine(monkeypatch):
    alone = machine_name(machine())
    hardware = replace(detect(), gpu="Abacus GPU")
    monkeypatch.setattr("latentia.hardware.detect", lambda: hardware)
    assert machine_name(machine()) == alone.replace(" cores", " cores, Abacus GPU")
