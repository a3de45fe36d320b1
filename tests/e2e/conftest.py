"""One laptop cloud for all end-to-end tests, with a scripted model behind it.

Every worker of pytest-xdist brings up its own; `-n 0`, the default, needs one.
"""

from collections.abc import Iterator

import pytest

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


@pytest.fixture(scope="session")
def cloud(model_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("laptop-cloud")
    cloud = Cloud(folder, port=free_port(), sagemaker_port=free_port())
    try:
        cloud.up(model_url=model_url)
        yield cloud
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
