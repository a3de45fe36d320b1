"""The layer build: once per lock file, equal bytes, one clear line where something is missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdk.config import DeployConfig, load_config
from cdk.layers import ROOT, build_layer, built_layer, layer_folder
from lambdas.core.errors import ConfigurationError


@pytest.fixture(scope="module")
def local_config() -> DeployConfig:
    return load_config({"stage": "local"})


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_two_builds_are_equal_byte_for_byte(
    layers: Path, tmp_path: Path, local_config: DeployConfig
) -> None:
    first = _contents(layer_folder("chat", local_config, layers))
    second = _contents(build_layer("chat", local_config, tmp_path))
    assert first == second


def test_the_layer_holds_bytecode_that_no_clock_can_make_stale(
    layers: Path, local_config: DeployConfig
) -> None:
    compiled = list(layer_folder("chat", local_config, layers).rglob("*.pyc"))
    assert compiled
    unchecked_hash = (1).to_bytes(4, "little")
    assert {path.read_bytes()[4:8] for path in compiled} == {unchecked_hash}


def test_a_built_layer_is_not_built_again(layers: Path, local_config: DeployConfig) -> None:
    said: list[str] = []
    build_layer("chat", local_config, layers, said.append)
    assert said == []


def test_a_layer_of_another_lock_file_is_built_again(
    tmp_path: Path, local_config: DeployConfig
) -> None:
    folder = layer_folder("chat", local_config, tmp_path)
    (folder / "python" / "left_over").mkdir(parents=True)
    folder.with_name(f"{folder.name}.sha256").write_text("of an older lock file")
    with pytest.raises(ConfigurationError, match=r"older than layer-chat\.txt"):
        built_layer("chat", local_config, tmp_path)
    build_layer("chat", local_config, tmp_path)
    assert built_layer("chat", local_config, tmp_path) == folder
    assert not (folder / "python" / "left_over").exists()


def test_without_the_layer_synth_ends_with_the_command_that_builds_it(tmp_path: Path) -> None:
    missing = load_config({"stage": "local", "architecture": "arm64", "python_version": "3.12"})
    assert not layer_folder("chat", missing).exists()
    given = {"stage": "local", "architecture": "arm64", "python_version": "3.12"}
    done = subprocess.run(
        [sys.executable, "-m", "cdk.app"],
        env={**os.environ, "CDK_CONTEXT_JSON": json.dumps(given), "CDK_OUTDIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last_line = done.stderr.splitlines()[-1]
    assert "run: .venv/bin/python -m cdk.layers --stage local" in last_line
    assert "Traceback" not in done.stderr


def test_a_package_that_cannot_be_had_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_config: DeployConfig
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty-cache"))
    with pytest.raises(ConfigurationError, match=r"^layer-chat\.txt: ") as caught:
        build_layer("chat", local_config, tmp_path / "layers")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "layers").iterdir()) == []
