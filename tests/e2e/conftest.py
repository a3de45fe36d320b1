"""One laptop cloud for all end-to-end tests, with a scripted model behind it.

Every worker of pytest-xdist brings up its own; `-n 0`, the default, needs one.

With `KIT_TEST_ENFORCE_IAM=1` the emulator checks every call of a function against its role. The
summary then lists what was denied, and what is granted and was never used.
"""

import os
from collections.abc import Iterator

import pytest

from tests.e2e import grants
from tests.e2e.cloud import CannotRunError, Cloud, User
from tests.emulated import free_port
from tests.scripted_model import ScriptedModel
from tests.serving import serving


@pytest.fixture(scope="session")
def model() -> ScriptedModel:
    """The model that answers; `model.requests` holds what it was asked."""
    return ScriptedModel()


@pytest.fixture(scope="session")
def model_url(model: ScriptedModel) -> Iterator[str]:
    with serving(model.app()) as url:
        yield f"{url}/v1"


ENFORCE_IAM = os.environ.get("KIT_TEST_ENFORCE_IAM") == "1"
GRANTS = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def cloud(
    model_url: str, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("laptop-cloud")
    ports = {"port": free_port(), "sagemaker_port": free_port()}
    cloud = Cloud(folder, **ports, enforce_iam=ENFORCE_IAM)
    try:
        cloud.up(model_url=model_url)
        yield cloud
        if ENFORCE_IAM:
            pytestconfig.stash[GRANTS] = grants.report(cloud)
    except CannotRunError as error:
        pytest.skip(str(error))
    finally:
        cloud.down()


@pytest.fixture(scope="session")
def ana(cloud: Cloud) -> Iterator[User]:
    with cloud.invited("ana@example.com") as user:
        yield user


@pytest.fixture(scope="session")
def ben(cloud: Cloud) -> Iterator[User]:
    with cloud.invited("ben@example.com") as user:
        yield user


@pytest.fixture
def newcomer(cloud: Cloud) -> Iterator[User]:
    """A user without a past."""
    with cloud.new_user() as user:
        yield user


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(GRANTS, []):
        terminalreporter.write_line(line)
