"""What is shipped: two folders, nothing hidden, scripts still executable."""

import os
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from cdk.functions import code
from tests.cdk.assembly import Assembly

UNZIPPED_LIMIT_BYTES = 250 * 1024**2  # of a function and its layers, set by Lambda


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _staged_code(assembly: Assembly) -> Path:
    keys = {f["Code"]["S3Key"] for f in assembly.properties("Lambda::Function")}
    (key,) = keys  # one asset for all functions
    return assembly.asset("Api", key)


def _staged_layer(assembly: Assembly) -> Path:
    (layer,) = assembly.properties("Lambda::LayerVersion")
    return assembly.asset("Api", layer["Content"]["S3Key"])


def _stage(root: Path, outdir: Path) -> Path:
    """Stage `code(root)` and give the folder where it went."""
    app = cdk.App(outdir=str(outdir), analytics_reporting=False)
    stack = cdk.Stack(app, "Stack", synthesizer=cdk.LegacyStackSynthesizer())
    lambda_.Function(
        stack,
        "Function",
        code=code(root),
        handler="lambdas.functions.models.handler",
        runtime=lambda_.Runtime.PYTHON_3_14,
    )
    app.synth()
    (staged,) = outdir.glob("asset.*")
    return staged


def test_the_asset_holds_our_code_and_the_catalogue_and_nothing_else(assembly: Assembly) -> None:
    files = _files(_staged_code(assembly))
    assert {name.partition("/")[0] for name in files} == {"lambdas", "model_configs"}
    assert {Path(name).suffix for name in files} == {".py", ".sh", ".yaml"}
    assert "lambdas/core/settings.py" in files
    assert "model_configs/smollm2-135m-instruct.yaml" in files


def test_hidden_files_caches_and_neighbours_stay_out(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    wanted = ("lambdas/functions/models.py", "model_configs/a.yaml")
    planted = (
        *(".env", "README.md", "cdk/app.py", "lambdas.md", ".git/config", "sub/lambdas/x.py"),
        *("lambdas/.env", "lambdas/core/.secret", "model_configs/.env", "lambdas/.idea/x.xml"),
        *("lambdas/__pycache__/x.pyc", "lambdas/core/__pycache__/x.cpython-311.pyc"),
    )
    for name in (*wanted, *planted):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert _files(_stage(root, tmp_path / "out")) == set(wanted)


def test_shell_handlers_stay_executable(assembly: Assembly) -> None:
    scripts = list(_staged_code(assembly).rglob("*.sh"))
    assert scripts
    assert all(os.access(script, os.X_OK) for script in scripts)


def test_an_edit_of_anything_but_the_two_folders_changes_no_function(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    (root / "lambdas").mkdir(parents=True)
    (root / "lambdas" / "a.py").write_text("1")
    first = _stage(root, tmp_path / "first").name
    (root / "cdk").mkdir()
    (root / "cdk" / "app.py").write_text("2")
    assert _stage(root, tmp_path / "second").name == first


def test_code_and_layers_fit_into_a_function(local: Assembly) -> None:
    size = _size_bytes(_staged_code(local)) + _size_bytes(_staged_layer(local))
    assert size < UNZIPPED_LIMIT_BYTES


def test_the_layer_holds_packages_and_no_programs(local: Assembly) -> None:
    packages = _staged_layer(local) / "python"
    names = {path.name for path in packages.iterdir()}
    assert {"pydantic", "yaml", "uvicorn", "aws_lambda_powertools"} <= names
    assert "bin" not in names
    assert "boto3" not in names  # the runtime has it
