"""Stage files and `-c name=value`: what is read, and what an error names."""

import platform
from pathlib import Path

import pytest

from cdk.config import STAGES, DeployConfig, load_config
from lambdas.core.errors import ConfigurationError


def _stage(folder: Path, text: str, name: str = "dev") -> Path:
    (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("path", sorted(STAGES.glob("*.yaml")), ids=lambda path: path.stem)
def test_stage_file_is_valid(path: Path) -> None:
    assert load_config({"stage": path.stem}).stage == path.stem


def test_the_default_aws_stage_has_no_model_and_nothing_that_costs_while_idle() -> None:
    dev = load_config({"stage": "dev"})
    assert dev.models == ()
    assert not any((dev.waf, dev.threat_protection, dev.own_keys))


def test_prod_has_everything_that_dev_leaves_out() -> None:
    prod = load_config({"stage": "prod"})
    assert prod.models == ()
    assert all((prod.waf, prod.threat_protection, prod.mfa_required, prod.own_keys))


def test_aws_stages_keep_data_and_the_laptop_cloud_does_not() -> None:
    kept = {stage: load_config({"stage": stage}).retain_data for stage in ("local", "dev", "prod")}
    assert kept == {"local": False, "dev": True, "prod": True}


def test_aws_functions_run_on_arm_and_the_newest_python() -> None:
    dev = load_config({"stage": "dev"})
    assert (dev.architecture, dev.python_version) == ("arm64", "3.14")


def test_local_functions_run_on_the_machine_and_its_interpreter() -> None:
    local = load_config({"stage": "local"})
    assert local.models == ("smollm2-135m-instruct",)
    assert platform.python_version().startswith(f"{local.python_version}.")
    machine = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
    assert local.architecture == machine


def test_context_goes_before_the_stage_file(tmp_path: Path) -> None:
    folder = _stage(tmp_path, "models: [one]\nchat_timeout_s: 60\n")
    config = load_config({"stage": "dev", "models": "two,three", "own_keys": "true"}, folder)
    assert config.models == ("two", "three")
    assert config.own_keys is True
    assert config.chat_timeout_s == 60


def test_an_empty_list_can_be_given_on_the_command_line(tmp_path: Path) -> None:
    folder = _stage(tmp_path, "models: [one]")
    assert load_config({"stage": "dev", "models": ""}, folder).models == ()


def test_an_empty_stage_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_config({"stage": "dev"}, _stage(tmp_path, "")) == DeployConfig(stage="dev")


def test_the_keys_of_the_cdk_itself_are_not_ours(tmp_path: Path) -> None:
    given = {"@aws-cdk/core:x": True, "aws:cdk:enable-path-metadata": True, "cli-telemetry": False}
    assert load_config({"stage": "dev", **given}, _stage(tmp_path, "")).stage == "dev"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modles: []", r"^dev\.yaml: modles: Extra inputs are not permitted$"),
        ("chat_timeout_s: 901", r"^dev\.yaml: chat_timeout_s: .*900"),
        ("architecture: mips", r"^dev\.yaml: architecture: .*'arm64' or 'x86_64'"),
        ("python_version: '3.9'", r"^dev\.yaml: python_version: .*'3\.11'"),
        ("python_version: 3.14", r"^dev\.yaml: python_version: "),
        ("web_callback_urls: ['http://chat.example.com/']", r"must be https"),
        ("models: [", r"^dev\.yaml: while parsing"),
        ("- models", r"^dev\.yaml: a mapping"),
        ("stage: prod\nlog_retention_days: 3", r"^dev\.yaml: log_retention_days: "),
    ],
)
def test_a_bad_stage_file_is_named_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_config({"stage": "dev"}, _stage(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_bad_value_of_the_command_line_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    folder = _stage(tmp_path, "")
    with pytest.raises(ConfigurationError, match=r"^context: modles: Extra inputs"):
        load_config({"stage": "dev", "modles": "a"}, folder)
    with pytest.raises(ConfigurationError, match=r"^context: most_copies: "):
        load_config({"stage": "dev", "most_copies": "many"}, folder)


@pytest.mark.parametrize("stage", ["", "staging", "../dev"])
def test_an_unknown_stage_lists_those_that_exist(tmp_path: Path, stage: str) -> None:
    with pytest.raises(ConfigurationError, match=r"there are: dev$"):
        load_config({"stage": stage}, _stage(tmp_path, ""))
