"""Fixtures that several unit tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulated import Emulator, bare_interpreter
from tests.emulated_app import Deployed
from tests.emulated_stack import application, upload_code


@pytest.fixture(scope="session")
def function_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare_interpreter(tmp_path_factory.mktemp("functions"))


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory, function_python: Path) -> Iterator[Deployed]:
    emulator = Emulator(tmp_path_factory.mktemp("emulator"), function_python)
    emulator.start()
    try:
        upload_code(emulator)
        yield Deployed(emulator, emulator.deploy("tests", application()))
    finally:
        emulator.kill()
