"""The table that a benchmark prints in the end."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def show(document: dict[str, Any], *, quick: bool) -> None:
    """Prints the rows and claims of a result file."""
    console = Console()
    rows = Table(title=f"{document['name']}{' (quick: not a claim)' if quick else ''}")
    for title in ("system", "metric", "setting", "value", "spread", "unit", "load"):
        rows.add_column(title)
    for row in document["rows"]:
        spread = "" if row["spread"] is None else f"{row['spread']:.3g}"
        rows.add_row(
            row["system"], row["metric"], row["setting"], f"{row['value']:.4g}", spread, row["unit"], f"{row['load']}"
        )
    console.print(rows)
    claims = Table("claim", "level", "ours", "anchor", "holds")
    for claim in document["claims"]:
        ours, anchor = ("-" if claim[name] is None else f"{claim[name]:.4g}" for name in ("ours", "anchor"))
        claims.add_row(claim["claim"], claim["level"], ours, anchor, "yes" if claim["holds"] else "no")
    console.print(claims)
