"""Makes docs/benchmarks.md from benchmarks/results/*.json: `python -m benchmarks.docs`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS
from benchmarks.origin import REPOSITORY, digest, machine_name

PAGE = REPOSITORY / "docs" / "benchmarks.md"
IMAGES = PAGE.parent / "images"
MAY_BE_SHOWN = ("mnist", "fashion-mnist")  # the sets whose terms allow it
HEAD = """# Benchmarks

Generated from `benchmarks/results/*.json` by `python -m benchmarks.docs`; do not edit. Each figure was measured on
the machine named beside it, peers and ours on the same one; where a part was gone on with by another commit, both are
named. Run one with `make bench NAME=density`, which installs a measure of speech quality that needs a C compiler;
`ARGS=--quick` checks in minutes that it works, and finished rows are kept, so that a stopped run is gone on with;
`ARGS='--again PART'` measures a part anew. The sets `cifar10-part`, `orl-faces` and `omniglot-small` come from a mirror
only: `ARGS='--data DIR'`, which may hold other pictures than the published ones under the same names; rows then say so.
Pictures of faces and of CIFAR-10 are measured, not shown.

A claim holds if ours is at least as good as its anchor: a floor must be reached, a goal is what we strive for. Which
settings of the peers were best stands in the files (`details`).
"""


def page(documents: Iterable[Mapping[str, Any]]) -> str:
    """Returns the page for some result documents."""
    documents = list(documents)
    return "\n".join([HEAD, *_summary(documents), *(section(document) for document in documents)])


def _summary(documents: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns how many claims of each benchmark hold, and which do not."""
    lines = ["| benchmark | floors reached | goals reached | not reached |", "|---|---|---|---|"]
    for document in documents:
        claims = document["claims"]
        if claims:
            counts = [_reached([claim for claim in claims if claim["level"] == level]) for level in ("floor", "goal")]
            missed = "; ".join(_missed(claim) for claim in claims if not claim["holds"])
            lines.append(f"| [{document['name']}](#{document['name']}) | {' | '.join(counts)} | {missed} |")
    return [*lines, ""]


def _reached(claims: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(claim['holds'] for claim in claims)} of {len(claims)}" if claims else ""


def _missed(claim: Mapping[str, Any]) -> str:
    if claim["ours"] is None or claim["anchor"] is None:
        return f"{claim['claim']} ({claim['level']}): not measured"
    return f"{claim['claim']} ({claim['level']}): {_number(claim['ours'])}, not {_number(claim['anchor'])}"


def section(document: Mapping[str, Any]) -> str:
    """Returns the section of one benchmark."""
    machine = document["machine"]
    lines = [
        f"## {document['name']}",
        "",
        document["protocol"],
        "",
        f"*{document['date']}, commit `{document['commit']}`; {machine_name(machine)}, "
        f"load before the run {machine['load']}.*",
        *_other_parts(document),
        *_claims(document["claims"]),
        "",
        "| system | metric | setting | value | unit | spread, or 95 % interval; active units |",
        "|---|---|---|---|---|---|",
        *_rows(document["rows"]),
        "",
        *_galleries(document["name"]),
    ]
    return "\n".join(lines)


def _other_parts(document: Mapping[str, Any]) -> list[str]:
    """Names the parts that were measured on another machine or other data, or at another commit, than the last."""
    last = f"{machine_name(document['machine'])}, commit `{document['commit']}`"
    origins = {(row.get("part") or "all", _origin(row, document)): None for row in document["rows"]}
    others = [f"- {part}: {origin}" for part, origin in origins if origin != last]
    return ["", "Parts that were measured elsewhere, or by another commit:", "", *others] if others else []


def _origin(row: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Says where a row comes from; files of old say that but once."""
    machine = row.get("machine") or machine_name(document["machine"])
    commit = row.get("commit") or document["commit"]
    protocol = "" if row.get("protocol") in (None, digest(document["protocol"])) else ", by an earlier protocol"
    data = f", with other data than the published: {row['data']}" if row.get("data") else ""
    return f"{machine}, commit `{commit}`{protocol}{data}"


def result_documents(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Reads all full results, in the order of their names; quick ones are left out."""
    paths = sorted(path for path in folder.glob("*.json") if not path.name.endswith(".quick.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _galleries(name: str) -> list[str]:
    """Shows the pictures of a benchmark."""
    shown = [data for data in MAY_BE_SHOWN if (IMAGES / f"{name}-{data}.png").exists()]
    return [line for data in shown for line in (f"![{name}, {data}](images/{name}-{data}.png)", "")]


def _claims(claims: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns the lines of claims; a file of settings has none."""
    lines = [_claim(claim) for claim in claims]
    head = ["", "| claim | level | ours | anchor | holds | anchor from |", "|---|---|---|---|---|---|"]
    return [*head, *lines] if lines else []


def _claim(claim: Mapping[str, Any]) -> str:
    ours, anchor = _number(claim["ours"]), _number(claim["anchor"])
    holds = "not measured" if claim["ours"] is None else "yes" if claim["holds"] else "**no**"
    return f"| {claim['claim']} | {claim['level']} | {ours} | {anchor} | {holds} | {claim['anchor_source']} |"


def _rows(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns the lines of rows; those that differ in nothing but their seed name it."""
    rows = list(rows)
    seeds: dict[tuple[str, ...], set[Any]] = {}
    for row in rows:
        seeds.setdefault(_named(row), set()).add(row.get("seed"))
    return [_row(row, len(seeds[_named(row)]) > 1) for row in rows]


def _named(row: Mapping[str, Any]) -> tuple[str, ...]:
    return row["system"], row["metric"], row.get("setting", "")


def _row(row: Mapping[str, Any], seeded: bool) -> str:
    system, metric, setting = _named(row)
    seed = f"seed {row['seed']}" if seeded else ""
    setting = ", ".join(part for part in (setting, seed) if part)
    cells = (system, metric, setting, _number(row["value"]), row["unit"], _beside(row))
    return f"| {' | '.join(cells)} |"


def _beside(row: Mapping[str, Any]) -> str:
    """Returns what belongs to a value: how far it spreads, or its interval, and how many latents are active."""
    details = row.get("details") or {}
    facts = [_number(row["spread"])]
    if "low" in details:
        facts.append(f"{_number(details['low'])} to {_number(details['high'])}")
    if "active_units" in details:
        facts.append(f"{details['active_units']} active units")
    return ", ".join(fact for fact in facts if fact)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def main() -> None:
    """Writes the page, and puts the pictures that may be shown beside it."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for data in MAY_BE_SHOWN:
        for path in RESULTS.glob(f"*-{data}.png"):
            shutil.copyfile(path, IMAGES / path.name)
    PAGE.write_text(page(result_documents()), encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(REPOSITORY)}.")


if __name__ == "__main__":
    main()
