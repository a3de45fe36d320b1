"""Every command of the README and of the pages in docs/, in order, on a fresh clone.

`make test` is one of these commands, and this test is part of it. So the clone is told with
KIT_README_RUN that it must not come back here, and with PYTEST_ADDOPTS which tests show that the
command works: CI runs all of them, and `make check`, in its own clean clone (`.ci/run`).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.kit.main import cli
from tests.e2e.fenced_commands import Block, blocks_of, kit_commands, last_place, one_script
from tests.emulated import free_port

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
GUARD = "KIT_README_RUN"
A_FEW_TESTS = "tests/unit/test_settings.py tests/unit/test_chat.py tests/unit/test_payloads.py"
LEFT_TO_CI = "make check"
WITHIN_S = 1800
# What a stranger's shell does not have; MAKEFLAGS is there when make runs this test.
_OURS = ("AWS_", "KIT_", "OPENAI_", "PYTEST_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHONPATH")


@pytest.fixture
def clone() -> Iterator[Path]:
    """What is committed, and nothing else; removed at the end, since it weighs a gigabyte."""
    with tempfile.TemporaryDirectory(prefix="kit-readme-") as folder:
        made = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(made)], check=True)
        yield made


@pytest.fixture
def stranger(clone: Path) -> Iterator[dict[str, str]]:
    """The environment of someone with an empty home; only the caches of downloads are kept."""
    home = clone.with_name("home")
    home.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)} | {
        **_caches_and_mirrors(Path.home()),
        "HOME": str(home),
        "KIT_LOCAL_PORT": str(free_port()),
        "KIT_LOCAL_SAGEMAKER_PORT": str(free_port()),
        "PATH": _path_without_venv(),
        "PYTEST_ADDOPTS": A_FEW_TESTS,
        GUARD: "1",
    }
    yield env
    subprocess.run(["make", "down"], cwd=clone, env=env, capture_output=True, check=False)


@pytest.mark.skipif(GUARD in os.environ, reason="this is the clone that the test made")
@pytest.mark.skipif(shutil.which("curl") is None, reason="the README calls curl")
def test_every_command_of_the_pages_works_on_a_fresh_clone(
    clone: Path, stranger: dict[str, str]
) -> None:
    script = one_script(block for block in _run_here(_committed(clone)))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=clone,
        env=stranger,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, f"{last_place(done.stdout)} failed:\n{done.stdout[-4000:]}"
    assert "data: [DONE]" in done.stdout


def test_ci_runs_what_is_left_to_it() -> None:
    steps = (ROOT / ".ci" / "run").read_text().splitlines()
    assert {LEFT_TO_CI, "make test"} <= set(steps)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_kit_command_that_is_only_shown_exists_with_its_options(page: Path) -> None:
    for place, words in kit_commands(page):
        result = CliRunner().invoke(cli, [*words, "--help"])
        assert result.exit_code == 0, f"{place}: kit {' '.join(words)}\n{result.output}"


def _committed(clone: Path) -> list[Block]:
    pages = [clone / page.relative_to(ROOT) for page in PAGES]
    return [block for page in pages if page.exists() for block in blocks_of(page)]


def _run_here(blocks: list[Block]) -> list[Block]:
    runnable = [block for block in blocks if block.language in {"bash", "python"}]
    return [block for block in runnable if block.text.strip() != LEFT_TO_CI]


def _caches_and_mirrors(home: Path) -> dict[str, str]:
    """Where downloads are kept and come from: a property of the machine, not of the reader."""
    places = {
        "PIP_CACHE_DIR": home / ".cache" / "pip",
        "UV_CACHE_DIR": home / ".cache" / "uv",
        "npm_config_cache": home / ".npm",
        "PIP_CONFIG_FILE": home / ".config" / "pip" / "pip.conf",
        "UV_CONFIG_FILE": home / ".config" / "uv" / "uv.toml",
        "npm_config_userconfig": home / ".npmrc",
    }
    return {name: str(path) for name, path in places.items() if path.exists()}


def _path_without_venv() -> str:
    ours = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if folder != ours)
