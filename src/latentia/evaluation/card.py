"""The model card: `README.md` of a run folder, with the front matter that the Hugging Face hub reads."""

from __future__ import annotations

import re

import yaml

from latentia.evaluation.evaluate import Metrics
from latentia.evaluation.explain import explained
from latentia.presets import PRESETS
from latentia.runs import TrainedModel


def model_card(trained: TrainedModel, metrics: Metrics | None = None) -> str:
    """Returns the card of a model as Markdown.

    Args:
        trained: the model.
        metrics: of data that it has not seen; None where it was not measured.
    """
    kind = {"image": "pictures", "vector": "vectors", "speech": "recordings of speech"}[trained.preprocessing.kind]
    problems = ", ".join(f"{count} {_plain(problem)}" for problem, count in sorted(trained.data.problems.items()))
    model, data = trained.config.model, trained.data
    named = {
        "encoder": model.encoder,
        "decoder": model.decoder,
        "posterior": model.posterior,
        "prior": model.prior,
        "likelihood": model.likelihood,
        "objective": trained.config.objective,
    }
    if trained.preprocessing.kind == "speech":
        named |= {"prior of frames": model.frame_prior, "vocoder": trained.config.vocoder}
    parts = ", ".join(f"{role} `{_plain(part.name)}`" for role, part in named.items())
    staged = trained.config.first_stage is not trained.config
    fitted = (
        f" The prior was fitted in a second stage: encoder and decoder had been trained with the prior "
        f"`{_plain(trained.config.first_stage.model.prior.name)}`."
        if staged
        else ""
    )
    return f"""{_front_matter(trained)}
# {_plain(trained.name)}

A variational autoencoder of {kind}, trained with Latentia {_plain(trained.library_version)} on a person's own data.

## How to use it

```python
import latentia

vae = latentia.load("path/to/this/folder")
```
{_command(trained)}
## Data

`{_plain(data.name)}`: {data.n_train} examples to train on, {data.n_validation} held out.{_labels(trained)}

{trained.preprocessing.describe()}{f" Found wrong with files: {problems}." if problems else ""}

## The model

{_preset(trained)}{trained.model.latent_dim} latents; {parts}.{fitted} All settings are in `config.json`, all weights in
`model.safetensors`.
Nothing is executed when they are read.

## Figures

{_figures(metrics)}

## Limits

- It knows only what is like its training data. Of anything else it gives back something that looks like them.
- Reconstructions and samples are averages of what is possible, and smoother than real data.
- What is rare in the data is rare, or missing, in what it makes; it repeats the one-sidedness of its data.
- With few examples it can give back parts of single ones, so that it is as confidential as its data.

## What it must not be used for

- Passing off generated {kind} as real ones, or as evidence of anything.
- Decisions about people: medical, legal, on work, credit or schooling.
- Identifying people, or imitating the face or voice of a person who has not agreed.
- Anything that the licence of its training data forbids: the weights carry their terms.
"""


def _command(trained: TrainedModel) -> str:
    """Says what makes examples without Python; models of vectors have no files to make."""
    if trained.preprocessing.kind == "vector":
        return ""
    return "\nor `latentia generate path/to/this/folder -n 16 -o samples`.\n"


def _preset(trained: TrainedModel) -> str:
    """Says which preset the settings began from, and whose work that is; a program's own may not be known here."""
    preset = PRESETS.get(trained.config.preset or "")
    if preset is None:
        return ""
    return f"The settings began from the preset `{preset.name}`: {preset.description}. After {preset.paper}.\n\n"


def _labels(trained: TrainedModel) -> str:
    """Says which labels the data have, and what the model made of them."""
    own = trained.config.model.label
    heads = ", ".join(_plain(head) for head in trained.label_names)
    if own is not None:
        names = ", ".join(_plain(name) for name in trained.label_names[own])
        return f" It was trained with the labels {_plain(own)}: {names}. It can make examples of each, right or wrong."
    return f" The data have labels ({heads}); the model was not trained on them." if heads else ""


def _figures(metrics: Metrics | None) -> str:
    if metrics is None:
        return "Not measured yet; `latentia evaluate path/to/this/folder DATA -o OUT` does."
    rows = [f"| {_plain(name)} | {value} | {meaning} |" for name, value, meaning in explained(metrics)]
    return "\n".join(["| | Value | What it means |", "|---|---|---|", *rows])


def _front_matter(trained: TrainedModel) -> str:
    kind = trained.preprocessing.kind
    tasks = {"image": "unconditional-image-generation", "speech": "audio-to-audio"}
    fields = {
        "library_name": "latentia",
        **({"pipeline_tag": tasks[kind]} if kind in tasks else {}),
        "tags": ["latentia", "variational-autoencoder", {"vector": "tabular", "speech": "audio"}.get(kind, kind)],
    }
    licence = "# license: yours to choose; the weights carry the terms of the training data"
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}{licence}\n---\n"


def _plain(text: str) -> str:
    """Makes one line of plain text of a name: whatever Markdown or HTML might take for more is taken out."""
    return re.sub(r"[^\w .,:/+\-]+", "_", text)
