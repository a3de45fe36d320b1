"""One synth per stage and session: all tests of a stage read the same templates."""

from pathlib import Path

import pytest

from cdk.config import load_config
from cdk.layers import build_layer, fingerprint, layer_folder, lock_of, stamp_of
from lambdas.core.catalogue import load_catalogue
from tests.cdk.assembly import Assembly, synthesise

STAGES = ("local", "dev", "prod")
EVERY_MODEL = ",".join(load_catalogue())


@pytest.fixture(scope="session")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The local layer as it is built; for AWS stages empty ones, which change no template."""
    built = tmp_path_factory.mktemp("layers")
    build_layer("chat", load_config({"stage": "local"}), built)
    for stage in ("dev", "prod"):
        folder = layer_folder("chat", load_config({"stage": stage}), built)
        (folder / "python").mkdir(parents=True, exist_ok=True)
        stamp_of(folder).write_text(fingerprint(lock_of("chat")))
    return built


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory, layers: Path) -> Assembly:
    return synthesise(tmp_path_factory.mktemp("local"), layers, stage="local")


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory, layers: Path) -> Assembly:
    return synthesise(tmp_path_factory.mktemp("dev"), layers, stage="dev")


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory, layers: Path) -> Assembly:
    """Prod with the whole catalogue up."""
    folder = tmp_path_factory.mktemp("prod")
    return synthesise(folder, layers, stage="prod", models=EVERY_MODEL)


@pytest.fixture(params=STAGES)
def assembly(request: pytest.FixtureRequest) -> Assembly:
    """Each stage in turn."""
    synthesised: Assembly = request.getfixturevalue(request.param)
    return synthesised


@pytest.fixture(params=("dev", "prod"))
def aws_assembly(request: pytest.FixtureRequest) -> Assembly:
    synthesised: Assembly = request.getfixturevalue(request.param)
    return synthesised
