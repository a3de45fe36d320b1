import os
from pathlib import Path

import pytest

from scripts.local.launcher import environment, outputs, services
from scripts.local.launcher.errors import LauncherError
from scripts.local.launcher.layout import Layout

DEVELOPER = {
    "AWS_PROFILE": "work",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SESSION_TOKEN": "real",
    "HOME": "/home/ana",
    "PATH": "/usr/bin",
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.from_env(
        {
            "KIT_LOCAL_DIR": str(tmp_path),
            "KIT_LOCAL_PORT": "5410",
            "KIT_LOCAL_SAGEMAKER_PORT": "5411",
        }
    )


def test_no_credential_of_the_developer_reaches_a_process(layout: Layout) -> None:
    for env in (
        environment.of_service(DEVELOPER, layout),
        environment.of_cdk(DEVELOPER, layout),
    ):
        assert "AWS_PROFILE" not in env
        assert "AWS_SESSION_TOKEN" not in env
        assert env["AWS_ACCESS_KEY_ID"] == "test"
        assert env["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_the_cdk_is_pointed_at_the_emulator_and_keeps_its_memory_to_itself(layout: Layout) -> None:
    env = environment.of_cdk(DEVELOPER, layout)
    assert env["AWS_ENDPOINT_URL"] == env["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:5410"
    assert Path(env["CDK_HOME"]).is_relative_to(layout.local_dir)
    assert env["HOME"] == "/home/ana"


def test_tools_of_the_virtual_environment_come_first(layout: Layout) -> None:
    path = environment.of_service(DEVELOPER, layout)["PATH"]
    assert path == f"{layout.venv_bin}{os.pathsep}/usr/bin"


def test_a_port_that_is_no_number_is_refused_by_name() -> None:
    with pytest.raises(LauncherError, match="KIT_LOCAL_PORT is 'many'"):
        Layout.from_env({"KIT_LOCAL_PORT": "many"})


def test_both_processes_listen_where_the_layout_says(layout: Layout) -> None:
    emulator, sagemaker = services.emulator(layout), services.sagemaker(layout)
    assert services.port_of(list(emulator.argv)) == 5410
    assert services.port_of(list(sagemaker.argv)) == 5411
    assert "--enforce-iam" not in emulator.argv
    assert "--enforce-iam" in services.emulator(layout, enforce_iam=True).argv


def test_outputs_of_the_stacks_become_addresses_of_this_machine(layout: Layout) -> None:
    found = {
        "ApiId": "abc",
        "ApiStageName": "local",
        "ApiUrl": "https://abc.execute-api.us-east-1.amazonaws.com/local/",
        "UserPoolId": "pool",
        "CliClientId": "cli",
        "WebClientId": "web",
        "TableName": "table",
        "TextBucketName": "bucket",
    }
    mapped = outputs.mapped(layout, found, model="m")
    assert mapped["base_url"] == "http://localhost:5410/_aws/execute-api/abc/local/v1"
    assert "amazonaws" not in "".join(mapped.values())


def test_without_outputs_the_next_step_is_named(layout: Layout) -> None:
    with pytest.raises(LauncherError, match="Next: kit local up"):
        outputs.read(layout)
