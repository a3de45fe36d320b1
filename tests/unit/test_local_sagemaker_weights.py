"""Where weights are found, and what is said when they are not or are others."""

import hashlib
import os
from pathlib import Path

import pytest

from lambdas.core.catalogue import ModelEntry, load_catalogue
from scripts.local.sagemaker.weights import Weights, WeightsError

SMOLLM2 = "smollm2-135m-instruct"


@pytest.fixture(scope="module")
def catalogue() -> dict[str, ModelEntry]:
    return load_catalogue()


def with_artefact(entry: ModelEntry, **changes: str) -> ModelEntry:
    assert entry.local is not None
    return entry.model_copy(update={"local": entry.local.model_copy(update=changes)})


def test_the_weights_of_the_catalogue_are_installed_and_the_right_ones(
    catalogue: dict[str, ModelEntry], tmp_path: Path
) -> None:
    path = Weights(tmp_path).path(catalogue[SMOLLM2])

    assert path.name == "SmolLM2-135M-Instruct.Q4_1.gguf"


def test_weights_with_another_hash_are_refused(
    catalogue: dict[str, ModelEntry], tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="has SHA-256 b179c952"):
        Weights(tmp_path).path(with_artefact(catalogue[SMOLLM2], sha256="0" * 64))


def test_a_file_is_hashed_again_only_when_it_has_changed(
    catalogue: dict[str, ModelEntry], tmp_path: Path
) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(b"first")
    stat = file.stat()
    entry = with_artefact(
        catalogue[SMOLLM2], path=str(file), sha256=hashlib.sha256(b"first").hexdigest()
    )
    weights = Weights(tmp_path / "state")
    weights.path(entry)

    file.write_bytes(b"other")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weights.path(entry) == file, "same size and time: the verdict is remembered"

    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    with pytest.raises(WeightsError, match="has SHA-256"):
        weights.path(entry)


def test_a_model_without_local_artefact_runs_in_the_cloud_only(
    catalogue: dict[str, ModelEntry], tmp_path: Path
) -> None:
    with pytest.raises(WeightsError) as caught:
        Weights(tmp_path).path(catalogue["flan-t5-base"])

    assert str(caught.value) == (
        "'flan-t5-base' runs in the cloud only: its entry names no local artefact"
    )


@pytest.mark.parametrize("model_id", [SMOLLM2, "qwen2.5-7b-instruct"])
def test_a_replacement_stands_in_for_every_chat_model(
    catalogue: dict[str, ModelEntry], tmp_path: Path, model_id: str
) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"weights")

    assert Weights(tmp_path, file).path(catalogue[model_id]) == file


def test_a_replacement_that_is_absent_is_named(
    catalogue: dict[str, ModelEntry], tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"no weights at .*mine\.gguf"):
        Weights(tmp_path, tmp_path / "mine.gguf").path(catalogue[SMOLLM2])


def test_a_package_that_is_not_installed_is_named(
    catalogue: dict[str, ModelEntry], tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="the package kit-absent is not installed"):
        Weights(tmp_path).path(with_artefact(catalogue[SMOLLM2], package="kit-absent"))
