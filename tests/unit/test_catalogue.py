from pathlib import Path
from typing import Any

import pytest
import yaml

from lambdas.core.catalogue import (
    MODEL_CONFIGS,
    entries_of,
    load_catalogue,
    load_entry,
    pick,
)
from lambdas.core.errors import ConfigurationError
from lambdas.core.payloads import payload_for

PATHS = sorted(MODEL_CONFIGS.glob("*.yaml"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_entry_is_valid_and_its_container_family_is_known(path: Path) -> None:
    entry = load_entry(path)
    assert payload_for(entry.container.family)
    assert entry.id == path.stem


def test_the_catalogue_holds_every_file_in_alphabetical_order() -> None:
    assert list(load_catalogue()) == [path.stem for path in PATHS]
    assert {"flan-t5-base", "qwen2.5-7b-instruct", "smollm2-135m-instruct"} <= set(load_catalogue())


def test_the_smallest_model_has_a_local_artefact_and_flan_has_none() -> None:
    catalogue = load_catalogue()
    assert catalogue["smollm2-135m-instruct"].local
    assert catalogue["flan-t5-base"].local is None


def test_a_resource_name_has_no_dot() -> None:
    assert load_catalogue()["qwen2.5-7b-instruct"].resource_name == "qwen2-5-7b-instruct"


def test_an_image_names_its_registry_in_the_region() -> None:
    image = load_catalogue()["flan-t5-base"].container.image
    assert image.uri(region="eu-central-1", suffix="amazonaws.com").startswith(
        "763104351884.dkr.ecr.eu-central-1.amazonaws.com/huggingface-pytorch-tgi-inference:"
    )


def test_entries_come_in_the_order_asked_for() -> None:
    ids = ("smollm2-135m-instruct", "flan-t5-base")
    assert tuple(entries_of(ids)) == ids


def test_an_entry_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"'gpt-4' in the catalogue: flan-t5-base, qwen"):
        entries_of(("gpt-4",))
    with pytest.raises(ConfigurationError, match=r"'gpt-4' in the catalogue: flan-t5-base, qwen"):
        pick(load_catalogue(), "gpt-4")
    assert pick(load_catalogue(), "flan-t5-base").id == "flan-t5-base"


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Writes a good entry with changes to it, and gives its path."""

    def write(name: str = "flan-t5-base", **changes: Any) -> Path:
        fields = yaml.safe_load((MODEL_CONFIGS / "flan-t5-base.yaml").read_text())
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**fields, **changes}))
        return path

    return write


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "other"}, "id is 'other'; it must be 'flan-t5-base'"),
        ({"id": "Flan T5"}, "id: "),
        ({"contxt_tokens": 1}, "contxt_tokens: Extra inputs are not permitted"),
        ({"task": "embedding"}, "task: "),
        ({"context_tokens": 0}, "context_tokens: "),
        ({"max_output_tokens": 2048}, "must leave room for a prompt"),
        ({"instances": []}, "instances: "),
        ({"container": {"family": "abacus"}}, "container: "),
        ({"licence": {"name": "MIT", "must_accept": False}}, "licence.source: Field required"),
    ],
)
def test_a_fault_is_told_in_one_line_with_file_and_key(
    written: Any, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_entry(written(**changes))
    assert str(refused.value).startswith("flan-t5-base.yaml: ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_utf_8_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"id: \xff\xfe\xfa")
    with pytest.raises(ConfigurationError, match=r"^x\.yaml: not YAML: ") as refused:
        load_entry(path)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_yaml_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("id: [")
    with pytest.raises(ConfigurationError, match=r"^x\.yaml: not YAML: ") as refused:
        load_entry(path)
    assert "\n" not in str(refused.value)


def test_a_file_that_holds_no_object_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("- id: x")
    with pytest.raises(ConfigurationError, match=r"^x\.yaml: file: "):
        load_entry(path)
