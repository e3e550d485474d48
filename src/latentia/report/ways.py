"""The section about ways between pictures."""

from __future__ import annotations

from typing import get_args

from latentia.files import synthetic_tag
from latentia.report.blocks import Picture, Prose, Section, Strips, picture
from latentia.report.material import Material
from latentia.tasks import Way, interpolate, present

PAIRS = 3
FRAMES = 9


def ways(material: Material) -> Section | None:
    """Ways from one picture to another: straight, along an arc, and along the data."""
    ends: list[int] = material.spread(2 * PAIRS).tolist() if material.pictures else []
    strips: list[Picture] = []
    for pair in zip(ends[::2], ends[1::2], strict=False):
        for way in get_args(Way):
            made = interpolate(material.trained, material.dataset, pair, steps=FRAMES, way=way, along=material.encoding)
            alt, tag = f"a way between two pictures, {way}", synthetic_tag("interpolate")
            strips.append(picture(present(material.trained, made), FRAMES, alt, label=way, synthetic=tag))
    text = (
        "The first and the last picture of each row are reconstructions; those between lie on a way between their "
        "latents. The straight way is the shortest. The spherical one keeps the distance from the centre, as samples "
        "of a normal prior do. The one along the data goes from example to example, so that what lies on it is like "
        "what the model has seen; where it looks no better than the straight one, the data leave no gap between the "
        "two."
    )
    return Section("ways", "Ways between pictures", (Prose(text), Strips(tuple(strips)))) if strips else None
