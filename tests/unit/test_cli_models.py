import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lambdas.core.catalogue import MODEL_CONFIGS, load_catalogue
from scripts.kit.main import cli

LOCAL_MODEL = "smollm2-135m-instruct"


def test_ls_as_json_is_a_list_of_objects() -> None:
    result = CliRunner().invoke(cli, ["models", "ls", "--json"])
    listed = json.loads(result.stdout)
    assert [entry["id"] for entry in listed] == list(load_catalogue())
    assert [entry["id"] for entry in listed if entry["runs_locally"]] == [LOCAL_MODEL]


def test_ls_is_a_table_on_stdout_and_talk_on_stderr() -> None:
    result = CliRunner().invoke(cli, ["models", "ls"])
    header, *rows = result.stdout.splitlines()
    assert header.split()[0] == "ID"
    assert [row.split()[0] for row in rows] == list(load_catalogue())
    assert result.stderr == "Next: kit models show ID\n"


def test_show_prints_the_licence_and_whether_it_runs_locally() -> None:
    result = CliRunner().invoke(cli, ["models", "show", LOCAL_MODEL])
    assert "licence:\n  source:" in result.stdout
    assert "name: Apache-2.0" in result.stdout
    assert "runs_locally: true" in result.stdout


def test_show_of_an_unknown_model_lists_those_that_exist() -> None:
    result = CliRunner().invoke(cli, ["models", "show", "nix"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert LOCAL_MODEL in result.stderr


def test_check_prints_one_line_for_every_file() -> None:
    result = CliRunner().invoke(cli, ["models", "check"])
    assert result.exit_code == 0
    assert result.stdout == "".join(f"ok   {name}.yaml\n" for name in load_catalogue())


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    path = tmp_path / f"{LOCAL_MODEL}.yaml"
    text = (MODEL_CONFIGS / path.name).read_text()
    path.write_text(text.replace("context_tokens", "contxt_tokens"))
    return path


def test_check_of_a_faulty_file_names_the_key_and_fails(faulty: Path) -> None:
    good = MODEL_CONFIGS / f"{LOCAL_MODEL}.yaml"
    result = CliRunner().invoke(cli, ["models", "check", str(good), str(faulty)])
    first, second = result.stdout.splitlines()
    assert result.exit_code == 1
    assert first.startswith("ok ")
    assert second.startswith(f"bad  {faulty.name}: ")
    assert "contxt_tokens" in second


def test_check_as_json_gives_file_and_fault(faulty: Path) -> None:
    result = CliRunner().invoke(cli, ["models", "check", "--json", str(faulty)])
    [found] = json.loads(result.stdout)
    assert found["file"] == faulty.name
    assert "contxt_tokens" in found["fault"]
