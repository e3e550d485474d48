from __future__ import annotations

from dataclasses import replace

import numpy as np
import yaml

from latentia.evaluation import evaluate, model_card

ROWS = np.arange(60)
HOSTILE = "<script>alert(1)</script> $x$ [a](http://b) _{{ 7*7 }}"


def test_card_has_front_matter(digits):
    trained, dataset = digits
    _, front, body = model_card(trained, evaluate(trained, dataset, rows=ROWS)).split("---\n", 2)
    fields = yaml.safe_load(front)
    assert fields["library_name"] == "latentia"
    assert "variational-autoencoder" in fields["tags"]
    assert "license" not in fields
    for heading in ("## Data", "## Figures", "## Limits", "## What it must not be used for"):
        assert heading in body
    assert "| Rate |" in body


def test_a_model_that_was_not_measured_has_a_card_too(digits):
    figures = model_card(digits[0]).split("## Figures")[1].split("##")[0]
    assert "Not measured yet" in figures
    assert "|" not in figures


def test_hostile_names_are_only_text(digits):
    trained = replace(digits[0], data=replace(digits[0].data, name=HOSTILE), label_names={HOSTILE: ("0",)})
    card = model_card(trained)
    for mark in ("<", "](", "{{", "$"):
        assert mark not in card.split("## The model")[0].split("```")[2]


def test_only_models_that_make_files_are_said_to_generate(digits, vectors):
    assert "`latentia generate path" in model_card(digits[0])
    assert "latentia generate" not in model_card(vectors[0])
