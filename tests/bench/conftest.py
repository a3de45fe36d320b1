"""Fixtures of the benchmarks: one laptop cloud, and the chat function beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk.config import load_config
from cdk.layers import built_layer
from tests.bench.chat_function import ChatFunction, copied_asset
from tests.bench.cloud import bench_cloud, chat_variables, model_server
from tests.e2e.cloud import Cloud


@pytest.fixture(scope="session")
def model_url() -> Iterator[str]:
    with model_server() as url:
        yield url


@pytest.fixture(scope="session")
def cloud(model_url: str) -> Iterator[Cloud]:
    with bench_cloud(model_url) as up:
        yield up


@pytest.fixture(scope="session")
def layer() -> Path:
    return built_layer("chat", load_config({"stage": "local"}))


@pytest.fixture(scope="session")
def chat_function(
    cloud: Cloud, layer: Path, tmp_path_factory: pytest.TempPathFactory
) -> ChatFunction:
    code = copied_asset(tmp_path_factory.mktemp("task"))
    return ChatFunction(code, layer, chat_variables(cloud))
