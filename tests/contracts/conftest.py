"""The stores under contract, as fixtures."""

from collections.abc import Iterator

import pytest

from lambdas.core.turns import TurnStore
from tests.stores import Opened, Stores, every_store


@pytest.fixture(params=every_store())
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    opened: Opened = request.param
    with opened() as stores:
        yield stores


@pytest.fixture
def store(stores: Stores) -> TurnStore:
    return stores.turns
