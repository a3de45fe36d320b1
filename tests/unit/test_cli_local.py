import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scripts.kit import deploy, paste
from scripts.kit.main import cli
from scripts.local.launcher.cloud import Access
from scripts.local.launcher.layout import Layout


def run(tmp_path: Path, *words: str, **env: str) -> Result:
    nobody = {
        "AWS_ACCESS_KEY_ID": None,
        "AWS_PROFILE": None,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "KIT_LOCAL_DIR": str(tmp_path / "local"),
        "KIT_CONFIG_DIR": str(tmp_path / "config"),
    }
    return CliRunner().invoke(cli, words, env={**nobody, **env})


def test_status_tells_that_nothing_runs(tmp_path: Path) -> None:
    result = run(tmp_path, "local", "status")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["emulator", "stopped"],
        ["sagemaker", "stopped"],
    ]
    assert result.stderr == "Next: kit local up\n"


def test_status_as_json_has_no_address_when_nothing_runs(tmp_path: Path) -> None:
    found = json.loads(run(tmp_path, "local", "status", "-o", "json").stdout)
    assert [service["pid"] for service in found["services"]] == [None, None]
    assert "base_url" not in found


@pytest.mark.parametrize("output", ["env", "paste"])
def test_what_to_paste_is_not_printed_when_nothing_runs(tmp_path: Path, output: str) -> None:
    result = run(tmp_path, "local", "status", "-o", output)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: the laptop cloud is not running. Next: kit local up\n"


def test_down_of_nothing_is_not_an_error(tmp_path: Path) -> None:
    result = run(tmp_path, "local", "down")
    assert (result.exit_code, result.stderr) == (0, "nothing was running\n")


def test_reset_asks_and_without_a_terminal_refuses(tmp_path: Path) -> None:
    kept = tmp_path / "local" / "state" / "emulator" / "x.json"
    kept.parent.mkdir(parents=True)
    kept.touch()
    refused = run(tmp_path, "local", "reset")
    assert refused.exit_code == 1
    assert "Next: kit local reset --yes" in refused.stderr
    assert kept.exists()
    assert run(tmp_path, "local", "reset", "--yes").exit_code == 0
    assert not kept.exists()


def test_a_log_that_does_not_exist_names_the_next_step(tmp_path: Path) -> None:
    result = run(tmp_path, "local", "logs", "sagemaker")
    assert result.exit_code == 1
    assert "Next: kit local up" in result.stderr


def test_chat_without_a_laptop_cloud_names_the_next_step(tmp_path: Path) -> None:
    result = run(tmp_path, "chat", "hi")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("Next: kit local up\n")


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_without_credentials_nothing_is_deployed(tmp_path: Path, command: str) -> None:
    result = run(tmp_path, command, "--stage", "dev")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no AWS credentials were found. Next: aws sso login")


def test_the_local_stage_is_not_deployed_to_aws(tmp_path: Path) -> None:
    result = run(tmp_path, "deploy", "--stage", "local")
    assert result.exit_code == 1
    assert "Next: kit local up" in result.stderr


@pytest.mark.parametrize("command", ["synth", "deploy", "destroy"])
def test_a_stage_that_has_no_file_is_refused_with_those_that_have(
    tmp_path: Path, command: str
) -> None:
    result = run(tmp_path, command, "--stage", "nix")
    assert result.exit_code == 1
    assert "no stage 'nix'; there are: dev, local, prod" in result.stderr


def test_a_failed_cdk_run_is_code_1(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path, local_dir=tmp_path)
    layout.cdk.parent.mkdir(parents=True)
    layout.cdk.write_text("#!/bin/sh\nexit $1\n")
    layout.cdk.chmod(0o755)
    deploy.run_cdk(layout, ["0"])
    with pytest.raises(SystemExit, match="1"):
        deploy.run_cdk(layout, ["3"])


def test_a_port_that_is_no_number_is_one_line(tmp_path: Path) -> None:
    result = run(tmp_path, "local", "status", KIT_LOCAL_PORT="many")
    assert result.exit_code == 1
    assert "KIT_LOCAL_PORT is 'many'" in result.stderr


def test_what_to_paste_names_address_token_and_model() -> None:
    text = paste.text(Access("http://localhost:5/v1", "ey.J.x", "smollm2"))
    assert "export OPENAI_BASE_URL=http://localhost:5/v1\n" in text
    assert "export OPENAI_API_KEY=ey.J.x\n" in text
    assert '"model": "smollm2"' in text
    assert "<" not in text
