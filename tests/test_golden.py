"""Run folders of every format that was ever released load, and give what they gave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from latentia.runs import FORMAT_VERSION, read_model
from latentia.tasks import generate

GOLDEN = Path(__file__).parent / "golden"
KINDS = {"single-latent", "ladder", "conditional", "masked", "second-stage"}
FOLDERS = sorted(GOLDEN.glob("format-*/*"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(GOLDEN)))
def test_a_run_folder_of_an_older_version_gives_what_it_gave(folder: Path) -> None:
    found = generate(read_model(folder), 2, seed=0).x
    expected = torch.tensor(json.loads((folder / "expected.json").read_text())).reshape(found.shape)
    assert torch.allclose(found, expected, atol=1e-3)


def test_every_format_has_golden_folders_of_all_kinds() -> None:
    wanted = {f"format-{number}/{kind}" for number in range(1, FORMAT_VERSION + 1) for kind in KINDS}
    assert {str(folder.relative_to(GOLDEN)) for folder in FOLDERS} == wanted
