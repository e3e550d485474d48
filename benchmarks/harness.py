"""What benchmarks have in common: options, the result file, claims.

A benchmark is a script that asks `Results.measure` for rows. A finished row is in the file at once and is
not measured again, so a long benchmark may be stopped and gone on with at any time.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from benchmarks.data_sets import holds_any, other_data
from benchmarks.origin import REPOSITORY, commit, digest, machine, machine_name
from benchmarks.table import show
from latentia.data.fetch import ANY, MIRROR, MIRROR_CONTENT

RESULTS = REPOSITORY / "benchmarks" / "results"
CACHE = RESULTS / "cache"  # what rows are made of and nobody reads; not committed

ORIGIN = ("load", "commit", "machine", "protocol", "run", "part", "data")  # what a row says of how it was measured

Level = Literal["floor", "goal"]


@dataclass(frozen=True)
class Options:
    """What a person asked a benchmark for."""

    quick: bool = False
    seed: int = 0
    data: Path | None = None
    fresh: bool = False
    again: Sequence[str] = ()

    @property
    def mirror(self) -> Path | None:
        """The folder of the data mirror; None where there is none, and data are downloaded."""
        named = self.data or os.environ.get(MIRROR)
        folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
        return folder.resolve() if named or folder.is_dir() else None


class Key(NamedTuple):
    """What tells one row from another."""

    system: str
    metric: str
    setting: str = ""
    seed: int | None = None


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes:
        spread: standard deviation over `values`, or over seeds; None for a single measurement.
        values: the single measurements behind `value`, where there are several.
        details: further facts worth keeping.
    """

    key: Key
    value: float
    unit: str
    n_seeds: int = 1
    spread: float | None = None
    values: Sequence[float] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {**self.key._asdict(), **asdict(self)}
        del row["key"]
        return row


@dataclass(frozen=True)
class Claim:
    """A floor or a goal, and whether what was measured keeps it."""

    claim: str
    level: Level
    ours: float | None
    anchor: float | None
    anchor_source: str
    holds: bool


def floor_and_goal(
    claim: str,
    ours: float | None,
    *,
    floor: float | None,
    goal: float | None,
    source: str,
    higher_is_better: bool,
) -> list[Claim]:
    """Makes the claims of one line of an issue's table.

    Args:
        claim: what is compared, with its unit.
        ours: what was measured; None where it was not, and then nothing holds.
        floor: least acceptable value; None where the floor is that the value is reported.
        goal: value to aim at; None where there is none beyond the floor.
        source: where the anchor comes from.
        higher_is_better: direction.

    Example:
        >>> [c.holds for c in floor_and_goal("x", 13.0, floor=12, goal=25, source="", higher_is_better=True)]
        [True, False]
    """

    def holds(anchor: float | None) -> bool:
        if ours is None or not math.isfinite(ours):
            return False
        return anchor is None or bool(ours >= anchor if higher_is_better else ours <= anchor)

    claims = [Claim(claim if floor is not None else f"{claim} (reported)", "floor", ours, floor, source, holds(floor))]
    if goal is not None:
        claims.append(Claim(claim, "goal", ours, goal, source, holds(goal)))
    return claims


def goal_alone(claim: str, ours: float | None, goal: float, source: str, *, higher_is_better: bool) -> list[Claim]:
    """Makes the claim of a line that has a goal and no floor; arguments as for `floor_and_goal`."""
    return floor_and_goal(claim, ours, floor=None, goal=goal, source=source, higher_is_better=higher_is_better)[1:]


class Results:
    """The result file of one benchmark.

    Args:
        name: of the benchmark; full runs go to `NAME.json`, quick ones to `NAME.quick.json`.
        protocol: two or three sentences: what is measured, on what, how.
        options: of this run.
        folder: where result files live.
    """

    def __init__(self, name: str, protocol: str, options: Options, folder: Path = RESULTS) -> None:
        self.options = options
        self.path = folder / (f"{name}.quick.json" if options.quick else f"{name}.json")
        self._part = ""
        self._machine = machine()
        self._data = other_data(options.mirror)
        old = None if options.quick else self._read()
        self._origin = {
            "date": datetime.now(UTC).date().isoformat(),
            "commit": commit(),
            "machine": self._machine,
            "protocol": protocol,
        }
        self._document: dict[str, Any] = {
            "name": name,
            **(self._origin if old is None else {fact: old[fact] for fact in self._origin}),
            "rows": [] if old is None else self._without_other_data(_rows_to_keep(old, options)),
            "claims": [] if old is None else old["claims"],
        }

    @property
    def commit(self) -> str:
        """The commit that the run started at; marked where it had changes beside results, and empty outside of git."""
        return self._origin["commit"]

    def gallery(self, name: str) -> Path:
        """Returns where pictures that belong to the results are kept; those of quick runs apart."""
        return self.path.with_name(f"{self.path.stem}-{name}.png")

    @contextmanager
    def within(self, part: str) -> Iterator[None]:
        """Measures a part whose rows are compared with each other only, so that parts may be of different machines."""
        around, self._part = self._part, part
        try:
            yield
        finally:
            self._part = around

    def measure(
        self, keys: Sequence[Key], function: Callable[[], Iterable[Row]], settings: Mapping[str, Any] | None = None
    ) -> None:
        """Measures rows that belong together, unless all of them are there.

        Args:
            keys: what `function` measures.
            function: yields the rows; each is written as it comes.
            settings: what `function` works with and puts into the details of its first row; rows of other settings
                count as missing.

        Raises:
            ValueError: it did not yield what `keys` promises.
            SystemExit: the part holds rows of the same seed of another machine or version of torch, which must not be
                mixed.
        """
        if self.holds(keys, settings or {}):
            return
        of_part = [row for row in self._document["rows"] if _part(row) == self._part and self._of_this_run(row)]
        if any(row["machine"] != machine_name(self._machine) for row in of_part):
            part, script = f" of {self._part}" if self._part else "", f"python -m benchmarks.{self._document['name']}"
            ways = f"measure that part anew with `{script} --again PART`, or all with --fresh"
            raise SystemExit(f"{self.path} holds rows{part} from another machine or torch; {ways}.")
        load = os.getloadavg()[0]
        found: set[Key] = set()
        self._document["claims"] = []  # those of before are not of the rows that come now
        for row in function():
            found.add(row.key)
            facts = {
                "load": round(load, 2),
                "commit": self._origin["commit"],
                "machine": machine_name(self._machine),
                "protocol": digest(self._origin["protocol"]),
                "run": self.options.seed,
            }
            part = {"part": self._part} if self._part else {}
            data = {"data": self._data} if self._data else {}
            self._document.update(self._origin)
            self._put({**row.as_json(), **facts, **part, **data})
        if found != set(keys):
            raise ValueError(f"Measured {sorted(map(str, found))}, promised {sorted(map(str, keys))}.")

    def derive(self, row: Row, source: Key) -> None:
        """Adds a row that is calculated from rows that are there, and was so measured as one of them."""
        measured = self.find(source) or {"run": self.options.seed}
        self._put({**row.as_json(), **{fact: measured[fact] for fact in ORIGIN if fact in measured}})

    def _put(self, row: dict[str, Any]) -> None:
        """Writes a row, in the place of one with the same key and of the same run."""
        rows = self._document["rows"]
        known = [number for number, other in enumerate(rows) if _key(other) == _key(row) and _run(other) == _run(row)]
        if known:
            rows[known[0]] = row
        else:
            rows.append(row)
        self._write()

    def holds(self, keys: Sequence[Key], settings: Mapping[str, Any]) -> bool:
        """Whether all rows are there, and the first was measured with the settings."""
        rows = [self.find(key) for key in keys]
        return None not in rows and settings.items() <= rows[0].get("details", {}).items()

    def measured_elsewhere(self, keys: Sequence[Key]) -> bool:
        """Whether all rows are there, and of another machine: what suited that is not sought anew on this one."""
        rows = [self.find(key) for key in keys]
        here = machine_name(self._machine)
        return all(row is not None and row["machine"] != here for row in rows)

    def _of_this_run(self, row: dict[str, Any]) -> bool:
        """Whether a row is of a run with the same seed, and so compared with what is measured now."""
        return _run(row) == self.options.seed

    def _without_other_data(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Leaves out rows of this seed that are of other data: they are measured anew."""
        kept = [row for row in rows if not self._of_this_run(row) or row.get("data", "") == self._data]
        if len(kept) < len(rows):
            print(f"{self.path.name} holds {len(rows) - len(kept)} rows of other data; they are measured anew.")
        return kept

    def forget_other_machines(self) -> None:
        """Leaves out rows of this seed that were measured on other machines: they are measured anew."""
        rows = self._document["rows"]
        here = machine_name(self._machine)
        self._document["rows"] = [row for row in rows if not self._of_this_run(row) or row["machine"] == here]

    def find(self, key: Key) -> dict[str, Any] | None:
        """Returns a row of this run, or None while it is missing."""
        return next((row for row in self._document["rows"] if _key(row) == key and self._of_this_run(row)), None)

    def value(self, key: Key) -> float | None:
        """Returns the value of a row, or None while it is missing."""
        row = self.find(key)
        return None if row is None else row["value"]

    def ratio(self, numerator: Key, denominator: Key) -> float | None:
        """Returns the ratio of two rows' values, or None while one is missing."""
        above, below = self.value(numerator), self.value(denominator)
        return None if above is None or not below else above / below

    def finish(self, claims: Sequence[Claim]) -> None:
        """Writes the claims and prints the table; those of a quick run never hold."""
        quick = self.options.quick
        self._document["claims"] = [asdict(replace(claim, holds=claim.holds and not quick)) for claim in claims]
        self._write()
        rows = [row for row in self._document["rows"] if self._of_this_run(row)]
        show({**self._document, "rows": rows}, quick=quick)

    def _read(self) -> dict[str, Any] | None:
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else None

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            part.write_text(_text(self._document), encoding="utf-8")
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)


def parse(description: str, arguments: Sequence[str] | None = None) -> Options:
    """Reads the options that every benchmark takes.

    From here on, what a mirror holds is taken as it is: a benchmark may be run on other data than the published ones.
    GPUs are left alone, since the peers do not use them.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="check within 3 minutes that the script works; no claim")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="folder of the data mirror (default: LATENTIA_MIRROR)")
    parser.add_argument("--fresh", action="store_true", help="forget the finished rows of this seed and start over")
    parser.add_argument(
        "--again",
        action="append",
        default=[],
        metavar="PART",
        help="forget the rows of a part, as they name it, of this seed",
    )
    found = vars(parser.parse_args(arguments))
    if found["data"] is not None and not holds_any(found["data"]):
        parser.error(f"{found['data']} holds none of the data sets: give a folder with the layout of the data mirror.")
    os.environ[MIRROR_CONTENT] = ANY
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    return Options(**{**found, "again": tuple(found["again"])})


def _rows_to_keep(document: dict[str, Any], options: Options) -> list[dict[str, Any]]:
    """Returns the rows of a result file without those that a run is to forget; those of other seeds stay.

    Raises:
        SystemExit: there is no such part.
    """
    facts = {"machine": machine_name(document["machine"]), "commit": document["commit"]}
    facts["protocol"] = digest(document["protocol"])
    rows = [{**facts, **row} for row in document["rows"]]  # files of old say that but once
    known = {_part(row) for row in rows}
    unknown = [part for part in options.again if part not in known]
    if unknown:
        raise SystemExit(f"There is no part '{unknown[0]}'; those measured are: {', '.join(sorted(known))}.")
    return [row for row in rows if _run(row) != options.seed or not (options.fresh or _part(row) in options.again)]


def _part(row: dict[str, Any]) -> str:
    return row.get("part", "")


def _run(row: dict[str, Any]) -> int:
    """Returns the seed that the benchmark was run with; a row may be of another seed."""
    return row.get("run", 0)


def _key(row: dict[str, Any]) -> Key:
    return Key(row["system"], row["metric"], row["setting"], row["seed"])


def _text(document: dict[str, Any]) -> str:
    """Returns a result file's text: a line for each entry, and one for each list of numbers."""
    text = json.dumps(document, indent=1)
    return re.sub(r"\[[-+\d.eE,\s]+\]", lambda found: f"[{' '.join(found[0][1:-1].split())}]", text) + "\n"
