"""A measured figure: its samples, its baseline's, and the bound that the design sets."""

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / ".kit" / "bench"


@dataclass(frozen=True)
class Bound:
    """What the design asks of a figure's median: at most `most`, alone or against the baseline."""

    of: Literal["median", "ratio", "difference"]
    most: float

    @property
    def text(self) -> str:
        sign = {"median": "<=", "ratio": "<= x", "difference": "<= baseline +"}[self.of]
        return f"{sign} {self.most:g}"


@dataclass(frozen=True)
class Figure:
    """Samples of one thing in one unit; `baseline` was measured in the same run, interleaved."""

    name: str
    unit: str
    samples: Sequence[float]
    baseline_name: str = ""
    baseline: Sequence[float] = ()
    bound: Bound | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def baseline_median(self) -> float | None:
        return statistics.median(self.baseline) if self.baseline else None

    @property
    def ratio(self) -> float | None:
        return self.median / self.baseline_median if self.baseline_median else None

    @property
    def verdict(self) -> str:
        """`met`, `MISSED`, or nothing where the design sets no bound."""
        if self.bound is None:
            return ""
        return "met" if self._bounded_value() <= self.bound.most else "MISSED"

    def _bounded_value(self) -> float:
        baseline = self.baseline_median or 0.0
        kinds = {
            "median": self.median,
            "ratio": self.ratio or math.inf,
            "difference": self.median - baseline,
        }
        return kinds[self.bound.of] if self.bound else math.inf

    def row(self) -> list[str]:
        """Its line of the table: the same in the terminal and on the page."""
        baseline = self.baseline_median
        return [
            self.name,
            f"{number(self.median)} {self.unit}".strip(),
            number(p95(self.samples)) if len(self.samples) > 1 else "",
            f"{number(baseline)} {self.unit} ({self.baseline_name})" if baseline else "",
            f"{self.ratio:.2f}" if self.ratio else "",
            self.bound.text if self.bound else "",
            self.verdict,
        ]

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "p95": p95(self.samples),
            "samples": list(self.samples),
            "baseline": {"name": self.baseline_name, "samples": list(self.baseline)},
            "ratio": self.ratio,
            "bound": self.bound.text if self.bound else None,
            "verdict": self.verdict or None,
            "row": self.row(),
        }


HEADINGS = ("figure", "median", "p95", "baseline", "ratio", "bound", "")


def p95(samples: Sequence[float]) -> float:
    """The sample that 95 % do not exceed."""
    return sorted(samples)[math.ceil(len(samples) * 0.95) - 1]


def number(value: float) -> str:
    """Three significant digits, never in exponents."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def keep(subject: str, figures: Sequence[Figure]) -> Path:
    """Print the figures as a table and write them to `.kit/bench/<subject>.json`."""
    print(f"\n{subject}\n{table(figures)}")  # noqa: T201 the output of the benchmark
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{subject.replace(' ', '-')}.json"
    record = {"subject": subject, "machine": machine(), "figures": [f.record() for f in figures]}
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def table(figures: Sequence[Figure]) -> str:
    rows = [list(HEADINGS), *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    cells = (zip(row, widths, strict=True) for row in rows)
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in line).rstrip() for line in cells
    )


def machine() -> dict[str, str]:
    """Where and of what the figures are; nothing that names the machine."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.0f}",
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "measured_at": f"{datetime.now(UTC):%Y-%m-%d}",
    }
