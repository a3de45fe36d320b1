"""When a process of the laptop cloud must be started again."""

from pathlib import Path

import pytest

from scripts.local.launcher import services
from scripts.local.launcher.layout import Layout


def test_another_model_restarts_the_local_sagemaker_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(Path(services.__file__).parents[3], tmp_path)
    monkeypatch.delenv("KIT_LOCAL_GGUF", raising=False)
    before = services.emulator(layout).version, services.sagemaker(layout).version
    monkeypatch.setenv("KIT_LOCAL_GGUF", "/models/other.gguf")
    after = services.emulator(layout).version, services.sagemaker(layout).version
    assert after[0] == before[0]
    assert after[1] != before[1]
