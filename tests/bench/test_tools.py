"""The command line, synthesis, and what is shipped: CPU and sizes."""

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scripts.local.launcher import environment
from scripts.local.launcher.layout import Layout
from tests.bench import cpu
from tests.bench.chat_function import copied_asset
from tests.bench.figures import ROOT, Bound, Figure, keep

RUNS = 9
SYNTH_RUNS = 2
MEGABYTE = 1_000_000
HALF_S = Bound("median", 0.5)
FIFTEEN_S = Bound("median", 15)
MOST_RESOURCES = Bound("median", 120)
EIGHT_MB = Bound("median", 8)
MOST_UNZIPPED_MB = Bound("median", 250)


def test_kit_help() -> None:
    kit = str(Path(sys.executable).with_name("kit"))
    samples, bare = [], []
    for _ in range(RUNS):
        samples.append(cpu.of_command_ms([kit, "--help"], folder=ROOT) / 1000)
        bare.append(cpu.of_command_ms([sys.executable, "-c", "import click"]) / 1000)
    keep("kit help", [Figure("kit --help", "CPU s", samples, "import click", bare, HALF_S)])


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_synth(stage: str, tmp_path: Path) -> None:
    """Validation off, as the laptop cloud and the tests do it."""
    app = [sys.executable, "-c", "import aws_cdk, aws_cdk.aws_lambda"]
    samples, bare = [], []
    for number in range(SYNTH_RUNS):
        out = tmp_path / str(number)
        samples.append(_synth_s(stage, out))
        bare.append(cpu.of_command_ms(app) / 1000)
    resources = sum(_resources(out).values())
    keep(
        f"synth {stage}",
        [
            Figure("cdk synth", "CPU s", samples, "import aws_cdk, aws_lambda", bare, FIFTEEN_S),
            Figure("resources", "", [resources], bound=MOST_RESOURCES),
        ],
    )


def _synth_s(stage: str, out: Path) -> float:
    layout = Layout(ROOT, out)
    words = ["synth", "--quiet", "--output", str(out), "--context", f"stage={stage}"]
    env = environment.of_cdk({"PATH": "/usr/bin:/bin"}, layout)
    return cpu.of_command_ms([str(layout.cdk), *words], env=env, folder=ROOT) / 1000


def _resources(assembly: Path) -> dict[str, int]:
    templates: dict[str, Any] = {
        path.name: json.loads(path.read_text()) for path in assembly.rglob("*.template.json")
    }
    return {name: len(template.get("Resources", {})) for name, template in templates.items()}


def test_sizes(layer: Path, tmp_path: Path) -> None:
    """What a chat function loads: zipped as it is uploaded, unzipped as Lambda counts it."""
    asset = copied_asset(tmp_path / "asset")
    both, ours = [layer, asset], [asset]
    files = [path for folder in both for path in _files(folder)]
    unzipped = sum(path.stat().st_size for path in files)
    keep(
        "sizes of chat",
        [
            Figure(
                "layer and code zipped, bytecode and all",
                "MB",
                [_zipped(both, tmp_path)],
                bound=EIGHT_MB,
            ),
            Figure("code alone, zipped", "MB", [_zipped(ours, tmp_path)]),
            Figure("layer and code unzipped", "MB", [unzipped / MEGABYTE], bound=MOST_UNZIPPED_MB),
        ],
    )


def _zipped(folders: list[Path], scratch: Path) -> float:
    archive = scratch / "zipped.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for folder in folders:
            for path in _files(folder):
                out.write(path, path.relative_to(folder))
    return archive.stat().st_size / MEGABYTE


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]
