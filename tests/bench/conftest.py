"""Fixtures of the benchmarks: one laptop cloud, and the chat function beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk.config import load_config
from cdk.layers import built_layer
from tests.bench.chat_function import ChatFunction, copied_asset
from tests.bench.cloud import Cloud
from tests.bench.cloud import cloud as bench_cloud


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    with bench_cloud() as up:
        yield up


@pytest.fixture(scope="session")
def layer() -> Path:
    return built_layer("chat", load_config({"stage": "local"}))


@pytest.fixture(scope="session")
def chat_function(cloud: Cloud, layer: Path, tmp_path_factory: pytest.TempPathFactory) -> ChatFunction:
    code = copied_asset(tmp_path_factory.mktemp("task"))
    return ChatFunction(code, layer, cloud.chat_variables())
