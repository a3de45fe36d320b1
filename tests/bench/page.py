"""Writes docs/benchmarks.md from the last results: `python -m tests.bench.page`."""

import json
from typing import Any

from tests.bench.figures import HEADINGS, RESULTS, ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
PROSE = ROOT / "tests" / "bench" / "page.md"
MARK = "<!-- figures -->"
FIRST = (
    "cold start",
    "warm chat",
    "first token",
    "first token through the API",
    "gaps between chunks",
    "20 parallel streams",
)


def page(prose: str, results: list[dict[str, Any]]) -> str:
    """The prose with the tables of all results where its mark is."""
    machine = results[0]["machine"]
    where = f"Measured on {machine['measured_at']} at commit {machine['commit']}, with Python"
    head = f"{where} {machine['python']} on {machine['cores']} cores that other work shared."
    tables = "\n\n".join(_table(result) for result in results)
    return prose.replace(MARK, f"{head}\n\n{tables}")


def _table(result: dict[str, Any]) -> str:
    rows = [list(HEADINGS), ["---"] * len(HEADINGS), *(f["row"] for f in result["figures"])]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    load = f"Load average {result['machine']['load']} when it ended."
    return f"### {result['subject'][0].upper()}{result['subject'][1:]}\n\n{lines}\n\n{load}"


def main() -> None:
    results = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    PAGE.write_text(page(PROSE.read_text(), sorted(results, key=_place)))


def _place(result: dict[str, Any]) -> int:
    subject = result["subject"]
    return FIRST.index(subject) if subject in FIRST else len(FIRST)


if __name__ == "__main__":
    main()
