"""What is deployed: one stage file in `cdk/stages/`, overridden by `-c name=value`."""

import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from lambdas.core.errors import ConfigurationError
from lambdas.core.strict import Strict

STAGES = Path(__file__).parent / "stages"
NEWEST_PYTHON: Final = "3.14"  # the newest that Lambda offers

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}
_PLAIN_KEY = re.compile(r"[a-z_]+")  # the CDK's own context keys all hold other characters


def _own_architecture(value: object) -> object:
    return _MACHINES[platform.machine().lower()] if value == "machine" else value


def _own_python(value: object) -> object:
    major, minor, _ = platform.python_version_tuple()
    return f"{major}.{minor}" if value == "machine" else value


def _listed(value: object) -> object:
    """Split `a,b`: what a list looks like in `-c models=a,b`."""
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,11}$")]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class DeployConfig(Strict):
    """The choices of one stage. The defaults are those of an AWS stage for development."""

    app: Name = "kit"
    stage: Name
    models: Annotated[Names, Field(description="Catalogue ids; each is one Model stack")] = ()
    architecture: Annotated[
        Literal["arm64", "x86_64"],
        BeforeValidator(_own_architecture),
        Field(description="Of functions; `machine` is the one that synthesises"),
    ] = "arm64"
    python_version: Annotated[
        Literal["3.11", "3.12", "3.13", "3.14"],
        BeforeValidator(_own_python),
        Field(description="Of functions; `machine` is the interpreter that synthesises"),
    ] = NEWEST_PYTHON

    retain_data: Annotated[bool, Field(description="Keep data when its stack is deleted")] = True
    scale_to_zero: Annotated[bool, Field(description="Models sleep when nobody calls")] = True
    most_copies: Annotated[int, Field(gt=0, description="Of each model, one machine each")] = 1
    chat_timeout_s: Annotated[int, Field(gt=0, le=900)] = 900
    chat_memory_mb: Annotated[int, Field(ge=128, le=10240)] = 1024
    tokens_per_day: Annotated[int, Field(gt=0, description="Per user")] = 200_000
    concurrent_streams: Annotated[int, Field(gt=0, description="Per user")] = 4
    completion_ttl_days: Annotated[int, Field(gt=0, description="Of turns without session")] = 30
    requests_per_s: Annotated[int, Field(gt=0, description="Of all callers together")] = 50
    requests_burst: Annotated[int, Field(gt=0)] = 100
    log_retention_days: Literal[1, 7, 14, 30, 90, 180, 365] = 30
    cors_origins: Annotated[
        Names,
        Field(min_length=1, description="Tokens travel in a header, so any origin may be allowed"),
    ] = ("*",)
    web_callback_urls: Annotated[
        Names, Field(description="Of the page; none: no code grant and no sign-in domain")
    ] = ("http://localhost:8080/",)

    waf: Annotated[bool, Field(description="A web ACL in front of the API")] = False
    threat_protection: Annotated[bool, Field(description="Cognito PLUS, enforced")] = False
    mfa_required: bool = False
    own_keys: Annotated[bool, Field(description="A KMS key of our own for data and logs")] = False

    @model_validator(mode="after")
    def _callbacks_are_private(self) -> Self:
        for url in self.web_callback_urls:
            if not url.startswith(("https://", "http://localhost")):
                raise ValueError(f"web_callback_urls: {url!r} must be https, or http://localhost")
        return self

    @property
    def prefix(self) -> str:
        """Begins every physical name of the stage."""
        return f"{self.app}-{self.stage}"


def load_config(context: Mapping[str, object], folder: Path = STAGES) -> DeployConfig:
    """Read the file of the stage that `context` names and lay the rest of `context` over it.

    Raises:
        ConfigurationError: one line that names the file or the context key, and what is allowed.
    """
    plain = {key: value for key, value in context.items() if _PLAIN_KEY.fullmatch(key)}
    path = _stage_file(str(plain.get("stage", "")), folder)
    try:
        written = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path.name}: {' '.join(str(error).split())}") from error
    if not isinstance(written, dict):
        raise ConfigurationError(f"{path.name}: a mapping of names to values is expected")
    try:
        return DeployConfig.model_validate({**written, **plain})
    except ValidationError as error:
        faults = (_fault(e["loc"], e["msg"], path, plain) for e in error.errors())
        raise ConfigurationError("; ".join(faults)) from error


def _stage_file(stage: str, folder: Path) -> Path:
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if stage not in files:
        raise ConfigurationError(f"no stage {stage!r}; there are: {', '.join(files)}")
    return files[stage]


def _fault(where: tuple[int | str, ...], what: str, path: Path, plain: Mapping[str, object]) -> str:
    key = ".".join(map(str, where)) or "file"
    return f"{'context' if where and where[0] in plain else path.name}: {key}: {what}"
