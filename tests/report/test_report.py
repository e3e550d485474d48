from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
import yaml

from latentia.data import Problem
from latentia.evaluation import evaluate
from latentia.files import make_folder
from latentia.report import write_outputs, write_report
from latentia.report.blocks import Prose, Section, picture
from latentia.report.charts import curves, scatter
from latentia.runs import RunFolder
from latentia.training.second_stage import fit_second_stage, second_stage_config

ROWS = np.arange(60)
HISTORY = [
    {
        "epoch": n,
        "minutes": 0.1 * n,
        **{
            f"{where}_{name}": sign * 100.0 / n
            for where in ("train", "validation")
            for name, sign in (("elbo", -1), ("loss", 1), ("distortion", 1), ("rate", 1))
        },
    }
    for n in range(1, 12)
]
HOSTILE = "<script>alert(1)</script>\" onload='x' $\\frac{1}$ & _{{ 7*7 }}"


class Page(HTMLParser):
    """Gathers tags, attributes, anchors and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def report(tmp_path, model, *, history=HISTORY, rows=ROWS, **options):
    trained, dataset = model
    metrics = evaluate(trained, dataset, rows=rows)
    write_report(tmp_path / "report.html", trained, dataset, metrics, history, rows=rows, **options)
    text = (tmp_path / "report.html").read_text("utf-8")
    return text, Page(text)


def anchors(page):
    return [attributes["id"] for attributes in page.all("section")]


def test_pictures_have_all_sections(tmp_path, digits):
    _, page = report(tmp_path, digits, title="My digits")
    assert anchors(page) == [
        *("diagnosis", "reconstructions", "completions", "restored", "samples", "traversals", "ways", "arithmetic"),
        *("alike", "map"),
        *("learning", "latents", "figures", "data", "reproduce"),
    ]
    assert "My digits" in page.text
    assert "pictures or recordings out of the data" in page.text
    assert {attributes["href"] for attributes in page.all("a")} == {f"#{anchor}" for anchor in anchors(page)}
    assert len(page.all("svg")) == 5
    assert len(page.all("img")) == 4 + 4 + 3 + 1 + 4 + 9 + 4 + 6
    assert "trained without holes" in page.text
    assert sum("way between" in (attributes["alt"] or "") for attributes in page.all("img")) == 9
    assert "latent_dim: 4" in page.text


def test_the_file_is_self_contained(tmp_path, digits):
    text, page = report(tmp_path, digits)
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "action", "data", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert "default-src 'none'" in page.all("meta")[2]["content"]


def test_without_media_no_picture_is_in_it(tmp_path, digits):
    text, page = report(tmp_path, digits, media=False)
    assert not page.all("img")
    assert "data:image" not in text.split("</style>")[1]
    assert "out of the data" not in page.text
    assert {"map", "latents", "figures"} <= set(anchors(page))
    shown = {"reconstructions", "completions", "restored", "samples", "traversals", "ways", "arithmetic", "alike"}
    assert not shown & set(anchors(page))


def test_models_that_fill_in_show_it(tmp_path, masked):
    trained, dataset = masked
    never_saw_noise = trained.config.with_settings({"training": {"noise": 0.0}})
    _, page = report(tmp_path, (replace(trained, config=never_saw_noise), dataset))
    assert anchors(page)[1:3] == ["reconstructions", "completions"]
    assert "restored" not in anchors(page)
    assert "trained without holes" not in page.text
    _, page = report(tmp_path, masked)
    assert anchors(page)[1:4] == ["reconstructions", "completions", "restored"]
    before, _ = (float(found) for found in re.search(r"from ([\d.]+) to ([\d.]+) dB", page.text).groups())
    assert before == pytest.approx(15, abs=1.5)  # half of the noise on black is cut off
    assert sum("completions" in (attributes["alt"] or "") for attributes in page.all("img")) == 4
    _, page = report(tmp_path, masked, media=False)
    assert not {"completions", "restored"} & set(anchors(page))
    holes = np.random.default_rng(0).random((len(dataset), 8, 8)) < 0.5
    _, page = report(tmp_path, (trained, replace(dataset, observed=holes)))
    assert "completions" in anchors(page)


def test_vectors_have_no_pictures(tmp_path, vectors):
    _, page = report(tmp_path, vectors)
    assert not page.all("img")
    assert "figures" in anchors(page)
    assert "standard deviation 1" in page.text


def test_models_of_arrays_say_how_to_fit_them_again(tmp_path, vectors):
    trained, dataset = vectors
    named = replace(trained, data=replace(trained.data, name="arrays"))
    text, _ = report(tmp_path, (named, dataset))
    assert "latentia.VAE(preset=" in text
    assert "vae.fit(x)" in text
    assert "latentia train" not in text


def test_models_of_labelled_arrays_are_fitted_again_with_labels(tmp_path, labelled):
    trained, dataset = labelled
    named = replace(trained, data=replace(trained.data, name="arrays"))
    text, _ = report(tmp_path, (named, dataset))
    assert "latentia.ImageVAE(preset=" in text
    assert "vae.fit(x, y)" in text


def test_a_model_of_labelled_pictures_says_which_classes_it_takes_for_which(tmp_path, labelled, digits):
    text, page = report(tmp_path, labelled)
    assert "recognition" in anchors(page)
    assert "Recognised label" in text
    assert "recognition" not in anchors(report(tmp_path, digits)[1])


def test_few_pictures_have_neighbours_too(tmp_path, digits):
    assert "alike" in anchors(report(tmp_path, digits, rows=np.arange(5))[1])
    assert "alike" not in anchors(report(tmp_path, digits, rows=np.arange(2))[1])
    assert "latents" not in anchors(report(tmp_path, digits, rows=np.arange(1))[1])


def test_a_model_without_history_or_labels(tmp_path, digits):
    trained, dataset = digits
    bare = (replace(trained, label_names={}), replace(dataset, labels={}, label_names={}))
    _, page = report(tmp_path, bare, history=[])
    assert not {"learning", "arithmetic"} & set(anchors(page))
    assert {"map", "alike"} <= set(anchors(page))


def test_latents_that_have_the_classes_apart_are_not_asked_for_them(tmp_path, labelled):
    text, page = report(tmp_path, labelled)
    assert "arithmetic" not in anchors(page)
    assert "apart from its latents" in text


def test_attributes_need_two_classes_of_some_size(tmp_path, digits):
    trained, dataset = digits
    one = replace(dataset, labels={"label": np.zeros(len(dataset), np.int64)}, label_names={"label": ("a", "b")})
    assert "arithmetic" not in anchors(report(tmp_path, (trained, one))[1])
    side = np.arange(len(dataset)) % 2
    two = replace(
        one, labels={"label": one.labels["label"], "side": side}, label_names={**one.label_names, "side": ("l", "r")}
    )
    page = report(tmp_path, (trained, two))[1]
    assert "For two classes of 'side'" in page.text
    assert "l → r" in page.text
    assert "r → l" in page.text


def test_a_second_stage_is_told_and_can_be_repeated(tmp_path, digits):
    trained, dataset = digits
    config = second_stage_config(trained.config, 9, {"prior_stage": {"steps": 2}})
    staged = fit_second_stage(trained, dataset, config).trained
    text, page = report(tmp_path, (staged, dataset))
    assert "--stage prior --config prior.yaml" in page.text
    written = re.search(r"prior\.yaml</summary>\s*<pre>(.*?)</pre>", text, re.DOTALL)
    assert written is not None
    settings = yaml.safe_load(unescape(written[1]))
    assert second_stage_config(trained.config, 9, settings) == staged.config
    named = replace(staged, data=replace(staged.data, name="arrays"))
    assert "vae.fit_prior(x, settings=" in report(tmp_path, (named, dataset))[1].text
    folded = page.text.split("prior.yaml")[-1]
    assert "components: 3\n" in folded
    assert "latent_dim" not in folded.split("Latentia")[0]


def test_it_says_which_examples_the_figures_are_of(tmp_path, digits):
    _, page = report(tmp_path, digits, which="the test split of digits")
    assert "60 examples: the test split of digits" in page.text
    assert "Missing pixels" not in page.text


def test_missing_pixels_are_explained(tmp_path, digits):
    trained, dataset = digits
    seen = np.ones((len(dataset), 8, 8), bool)
    seen[:, :2] = False
    _, page = report(tmp_path, (trained, replace(dataset, observed=seen)))
    assert "Missing pixels of originals are black" in page.text


def test_weights_are_promised_only_where_no_clock_had_a_say(tmp_path, digits):
    trained, dataset = digits
    timed = trained.config.with_settings({"training": {"max_minutes": 5}})
    assert "bit for bit" in report(tmp_path, digits)[1].text
    assert "bit for bit" not in report(tmp_path, (replace(trained, config=timed), dataset))[1].text


def test_the_report_under_a_learned_prior(tmp_path, binary):
    _, page = report(tmp_path, binary)
    assert len(re.findall(r"latent \d · \d+\.\d\d nats", page.text)) == 4


def test_hostile_names_are_only_text(tmp_path, digits):
    trained, dataset = digits
    names = (HOSTILE, *(str(number) for number in range(1, 10)))
    problems = (Problem(HOSTILE, "unreadable", "cut off"), Problem("b.png", "duplicate", "as a.png", skipped=False))
    dataset = replace(dataset, problems=problems, label_names={"label": names})
    record = replace(trained.data, name=HOSTILE, problems={HOSTILE: 1})
    trained = replace(trained, data=record, label_names={HOSTILE: names})
    text, page = report(tmp_path, (trained, dataset), title=HOSTILE)
    assert "<script" not in text
    assert not any("onload" in attributes for _, attributes in page.tags)
    assert page.text.count(HOSTILE) >= 5  # title, heading, data, file, legend
    assert "{{ 7*7 }}" in page.text


def test_more_sections_can_be_added(tmp_path, digits):
    extra = Section("speech", "Speech <now>", (Prose("1 < 2"),))
    text, page = report(tmp_path, digits, sections=(extra,))
    assert anchors(page).index("speech") == anchors(page).index("learning") - 1
    assert "Speech &lt;now&gt;" in text


def test_charts_take_their_colours_from_the_page():
    chart = curves("rate", [1, 2, 3], {"training": [1.0, 2.0, 3.0], "held out": [1.0, float("nan"), 2.0]})
    assert "var(--c0)" in chart.svg
    assert "var(--c1)" in chart.svg
    assert not re.search(r"#0a0b|#010203|#040506", chart.svg)
    assert chart == curves("rate", [1, 2, 3], {"training": [1.0, 2.0, 3.0], "held out": [1.0, float("nan"), 2.0]})


def test_figures_that_are_no_numbers_spoil_no_chart():
    assert curves("rate", [1, 2, 3], {"training": [1.0, float("inf"), 2.0], "held out": [float("nan")] * 3}).svg
    assert curves("rate", [1], {"training": [float("-inf")]}).svg


def test_charts_have_a_name_for_those_who_cannot_see_them(tmp_path, digits):
    _, page = report(tmp_path, digits)
    names = [attributes["aria-label"] for attributes in page.all("div") if attributes.get("role") == "img"]
    assert len(names) == 5
    assert "Latent map by label" in names


def test_latents_that_are_all_the_same_have_no_map(tmp_path, digits):
    trained, dataset = digits
    model = deepcopy(trained.model)
    with torch.no_grad():
        model.posterior.head.weight.zero_()
    _, page = report(tmp_path, (replace(trained, model=model), dataset))
    assert "map" not in anchors(page)
    assert "nan" not in page.text


def test_many_classes_share_a_colour():
    points, groups = np.random.default_rng(0).normal(size=(300, 2)), np.arange(300) % 30
    chart = scatter("map", points, groups, [f"class {n}" for n in range(30)], ("x", "y"))
    assert len(chart.legend) == 10
    assert chart.legend[-1] == (10, "others or unknown")


def test_small_pictures_are_enlarged_and_generated_ones_say_so():
    pixels = np.zeros((3, 8, 8, 1), np.uint8)
    small = picture(pixels, 3, "three")
    large = picture(np.zeros((3, 64, 64, 3), np.uint8), 3, "three", synthetic="latentia")
    assert small.width == 8 * 26
    assert large.width == 3 * 64 + 2 * 4
    assert large.uri != picture(np.zeros((3, 64, 64, 3), np.uint8), 3, "three").uri


@pytest.mark.parametrize("name", ["binary", "vectors"])
def test_outputs_of_a_run(tmp_path, name, request):
    trained, dataset = request.getfixturevalue(name)
    run = RunFolder(make_folder(tmp_path / "run"))
    metrics = write_outputs(run, trained, dataset, HISTORY, rows=ROWS, is_samples=3)
    assert json.loads(run.metrics.read_text()) == metrics.as_dict()
    assert run.card.read_text().startswith("---\nlibrary_name: latentia\n")
    assert "</html>" in run.report.read_text()
    assert sorted(path.name for path in run.path.iterdir()) == ["README.md", "metrics.json", "report.html"]
