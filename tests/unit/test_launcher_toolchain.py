import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.local.launcher.errors import LauncherError
from scripts.local.launcher.layout import Layout
from scripts.local.launcher.locking import alone
from scripts.local.launcher.progress import Silent
from scripts.local.launcher.toolchain import Part, ensure_part, parts


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(root=tmp_path, local_dir=tmp_path / "local")
    layout.stamps.mkdir(parents=True)
    (tmp_path / "lock.txt").write_text("x==1")
    return layout


class Built:
    """Counts its builds; the last may fail."""

    def __init__(self, made: Path) -> None:
        self.times = 0
        self.part = Part("thing", ("lock.txt",), made, self._build)

    def _build(self) -> None:
        self.times += 1
        self.part.made.touch()


def test_a_part_is_built_once_and_again_when_its_lock_changes(layout: Layout) -> None:
    built = Built(layout.root / "made")
    for _ in range(2):
        ensure_part(built.part, layout, Silent())
    assert built.times == 1
    (layout.root / "lock.txt").write_text("x==2")
    ensure_part(built.part, layout, Silent())
    assert built.times == 2


def test_a_part_that_was_removed_is_built_again(layout: Layout) -> None:
    built = Built(layout.root / "made")
    ensure_part(built.part, layout, Silent())
    built.part.made.unlink()
    ensure_part(built.part, layout, Silent())
    assert built.times == 2


def test_a_build_that_failed_is_repeated(layout: Layout) -> None:
    built = Built(layout.root / "made")
    with pytest.raises(LauncherError):
        ensure_part(replace(built.part, build=failing), layout, Silent())
    ensure_part(built.part, layout, Silent())
    assert built.times == 1


def failing() -> None:
    raise LauncherError("no network", next_step="make setup")


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        ("local", ["function-interpreter", "layers-local", "cdk-cli"]),
        ("dev", ["layers-dev", "cdk-cli"]),
    ],
)
def test_only_the_local_stage_needs_an_interpreter_for_functions(
    layout: Layout, stage: str, names: list[str]
) -> None:
    assert [part.name for part in parts(layout, stage)] == names


def test_two_commands_at_once_do_not_meet(tmp_path: Path) -> None:
    hold: Callable[[str], str] = (
        "import sys; from pathlib import Path; from scripts.local.launcher.locking import alone\n"
        "with alone(Path({!r})): print('held', flush=True); sys.stdin.read()"
    ).format
    command = [sys.executable, "-c", hold(str(tmp_path / "lock"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(LauncherError, match="another `kit local` command"),
            alone(tmp_path / "lock"),
        ):
            pass
        other.kill()
    with alone(tmp_path / "lock"):
        pass
