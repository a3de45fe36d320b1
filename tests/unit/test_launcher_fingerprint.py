import io
import zipfile
from pathlib import Path

import pytest

from scripts.local.launcher import fingerprint, function_code


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {
        "cdk/app.py": "app",
        "cdk.json": "{}",
        "lambdas/core/settings.py": "settings",
        "lambdas/functions/chat.py": "chat",
        "lambdas/functions/chat.sh": "#!/bin/sh\n",
        "model_configs/a.yaml": "id: a",
        "locks/kit.txt": "x==1",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "lambdas/functions/chat.sh").chmod(0o755)
    return tmp_path


def hashes(root: Path) -> tuple[str, str]:
    return fingerprint.infrastructure(root, "local"), fingerprint.code(root)


def test_code_of_a_function_changes_the_code_only(root: Path) -> None:
    infrastructure, code = hashes(root)
    (root / "lambdas/functions/chat.py").write_text("chat, better")
    assert fingerprint.infrastructure(root, "local") == infrastructure
    assert fingerprint.code(root) != code


@pytest.mark.parametrize(
    "name", ["cdk/app.py", "cdk.json", "locks/kit.txt", "lambdas/core/settings.py"]
)
def test_what_synthesis_reads_changes_the_infrastructure(root: Path, name: str) -> None:
    before = fingerprint.infrastructure(root, "local")
    (root / name).write_text("changed")
    assert fingerprint.infrastructure(root, "local") != before


def test_the_stage_and_the_machine_are_part_of_the_hash(root: Path) -> None:
    assert fingerprint.infrastructure(root, "local") != fingerprint.infrastructure(root, "dev")


def test_a_moved_file_and_a_lost_executable_bit_change_the_hash(root: Path) -> None:
    before = fingerprint.code(root)
    (root / "lambdas/functions/chat.sh").chmod(0o644)
    without_bit = fingerprint.code(root)
    (root / "lambdas/functions/chat.py").rename(root / "lambdas/functions/talk.py")
    assert len({before, without_bit, fingerprint.code(root)}) == 3


def test_what_python_compiles_does_not_count(root: Path) -> None:
    before = hashes(root)
    cache = root / "lambdas/__pycache__"
    cache.mkdir()
    (cache / "chat.pyc").write_text("bytes")
    assert hashes(root) == before
    assert not any("pycache" in name for name in zipped(root).namelist())


def test_the_zip_keeps_folder_names_and_mode_bits(root: Path) -> None:
    archive = zipped(root)
    modes = {info.filename: info.external_attr >> 16 & 0o777 for info in archive.infolist()}
    assert modes["lambdas/functions/chat.sh"] == 0o755
    assert modes["lambdas/functions/chat.py"] & 0o111 == 0
    assert "model_configs/a.yaml" in modes
    assert "cdk/app.py" not in modes


@pytest.mark.parametrize(
    ("name", "handler", "ours"),
    [
        ("kit-local-models", "lambdas.functions.models.handler", True),
        ("kit-local-chat", "lambdas/functions/chat.sh", True),
        ("kit-local-Api-CustomS3AutoDelete", "index.handler", False),
        ("another-models", "lambdas.functions.models.handler", False),
    ],
)
def test_only_functions_of_the_stage_that_run_our_code_get_it(
    name: str, handler: str, *, ours: bool
) -> None:
    assert function_code.runs_our_code({"FunctionName": name, "Handler": handler}) is ours


def zipped(root: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(function_code.zipped(root)))
