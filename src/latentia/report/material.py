"""What a report is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from latentia.data import Dataset, Indices, spread
from latentia.evaluation import Finding, Metrics
from latentia.report.blocks import TILE
from latentia.runs import TrainedModel
from latentia.tasks import Encoding

MOST_IN_ROW = 10
ROW_WIDTH = 680  # CSS pixels


@dataclass(frozen=True)
class Material:
    """What a report is made of.

    Attributes:
        trained: the model.
        dataset: the data that the figures are of.
        rows: which of them, shape (N,).
        metrics: of these data.
        history: one line of figures for each epoch.
        encoding: of these data.
        findings: the diagnosis.
        which: these data in words; empty where nobody said.
    """

    trained: TrainedModel
    dataset: Dataset
    rows: Indices
    metrics: Metrics
    history: Sequence[Mapping[str, float]]
    encoding: Encoding
    findings: tuple[Finding, ...]
    which: str = ""

    @property
    def pictures(self) -> bool:
        """Whether the data are pictures."""
        return self.trained.preprocessing.kind == "image"

    @property
    def media(self) -> bool:
        """Whether the report can hold pictures or recordings out of the data."""
        return self.trained.preprocessing.kind != "vector"

    @property
    def shown_in_row(self) -> int:
        """Pictures side by side: as many as fit at their full size."""
        return max(3, min(MOST_IN_ROW, ROW_WIDTH // max(TILE, self.trained.preprocessing.event_shape[-1])))

    def spread(self, count: int) -> Indices:
        """Returns rows evenly spread over the data, since neighbours in a folder are often alike."""
        return spread(self.rows, count)
