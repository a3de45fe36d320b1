"""Layers of third-party packages, one per lock file."""

from pathlib import Path

from cdk.config import DeployConfig
from lambdas.core.errors import ConfigurationError

ROOT = Path(__file__).parents[1]
BUILT = ROOT / ".kit" / "layers"

_PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}


def layer_folder(layer: str, config: DeployConfig, built: Path = BUILT) -> Path:
    return built / f"{layer}-{_PLATFORMS[config.architecture]}-{config.python_version}"


def built_layer(layer: str, config: DeployConfig, built: Path = BUILT) -> Path:
    """Find a layer that was built before.

    Raises:
        ConfigurationError: it is not there; the message names the command that builds it.
    """
    folder = layer_folder(layer, config, built)
    if not (folder / "python").is_dir():
        raise ConfigurationError(
            f"layer {folder.name} is not built; run: python -m cdk.layers --stage {config.stage}"
        )
    return folder
