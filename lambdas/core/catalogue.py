"""The model catalogue: one YAML file per model in `model_configs/`, checked as it is loaded."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from lambdas.core.errors import ConfigurationError
from lambdas.core.strict import Strict

MODEL_CONFIGS = Path(__file__).parents[2] / "model_configs"
ID_PATTERN = r"^[a-z0-9][a-z0-9.-]{1,62}$"

# The C loader reads a file about ten times faster; PyYAML's wheels have it, source builds may not.
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Task = Literal["chat", "text2text"]
ServingMode = Literal["realtime", "async", "serverless"]
FineTuneMethod = Literal["sft", "dpo", "kto", "reward", "grpo"]


class Sourced(Strict):
    """A fact from outside, with the page it was read from and the day."""

    source: str
    read_on: date


class Licence(Sourced):
    name: str = Field(description="SPDX id, or the licence's own name")
    must_accept: bool = Field(description="Whether terms must be accepted before deployment")


class Image(Sourced):
    """A container image of an AWS registry, in the stage's region."""

    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    repository: str
    tag: str

    def uri(self, *, region: str, suffix: str) -> str:
        return f"{self.account}.dkr.ecr.{region}.{suffix}/{self.repository}:{self.tag}"


class ContainerImage(Strict):
    image: Image
    env: dict[str, str] = Field(default={}, description="Variables of the container")


class VllmContainer(ContainerImage):
    """AWS's vLLM image: OpenAI's chat body on /invocations, server-sent events back."""

    family: Literal["vllm"]


class TgiContainer(ContainerImage):
    """Text Generation Inference, in maintenance: `inputs` and `parameters`, server-sent events."""

    family: Literal["tgi"]


class HfToolkitContainer(ContainerImage):
    """The Hugging Face inference toolkit: `inputs` and `parameters`, no streaming."""

    family: Literal["hf-toolkit"]


Container = Annotated[
    VllmContainer | TgiContainer | HfToolkitContainer, Field(discriminator="family")
]


class HubWeights(Strict):
    """Weights that the container fetches from the model hub when it starts."""

    kind: Literal["hub"]
    hub_id: Annotated[str, Field(examples=["HuggingFaceTB/SmolLM2-135M-Instruct"])]


class JumpStartWeights(Sourced):
    """Weights in SageMaker JumpStart's bucket of the stage's region."""

    kind: Literal["jumpstart"]
    model_id: str
    version: str
    bucket: str = Field(description="With {region} where the region's name goes")
    prefix: str


Weights = Annotated[HubWeights | JumpStartWeights, Field(discriminator="kind")]


class Instance(Strict):
    """One machine that the model fits on, and why."""

    type: Annotated[str, Field(pattern=r"^ml\.")]
    accelerators: Annotated[int, Field(ge=0)]
    memory_mb: Annotated[int, Field(gt=0, description="Reserved for one copy of the model")]
    reason: str


class LocalArtefact(Strict):
    """Weights for the laptop cloud, carried by a package that the lock files pin."""

    package: str
    path: str = Field(description="Inside site-packages")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    licence: str


class ModelEntry(Strict):
    """One model: what it is, how it is served in AWS, what stands for it on a laptop."""

    id: Annotated[str, Field(pattern=ID_PATTERN, description="File name and API model id")]
    family: str
    task: Task
    released_on: date
    licence: Licence
    context_tokens: Annotated[int, Field(gt=0, description="Prompt and reply together")]
    max_output_tokens: Annotated[int, Field(gt=0)]
    tools: bool = Field(default=False, description="Whether it can call tools")
    json_schema: bool = Field(default=False, description="Whether replies can be constrained")
    container: Container
    weights: Weights
    instances: Annotated[tuple[Instance, ...], Field(min_length=1, description="Default first")]
    serving_modes: Annotated[tuple[ServingMode, ...], Field(min_length=1)]
    fine_tune_methods: tuple[FineTuneMethod, ...] = ()
    local: LocalArtefact | None = Field(default=None, description="None: cloud only")

    @model_validator(mode="after")
    def _reply_fits_in_context(self) -> Self:
        if self.max_output_tokens >= self.context_tokens:
            raise ValueError(
                f"max_output_tokens is {self.max_output_tokens};"
                f" context_tokens {self.context_tokens} must leave room for a prompt"
            )
        return self

    @property
    def resource_name(self) -> str:
        """The id where AWS allows no dot: stack, endpoint and component names."""
        return self.id.replace(".", "-")


def load_entry(path: Path) -> ModelEntry:
    """Read and check one catalogue file.

    Raises:
        ConfigurationError: one line that names the file, the key and what is allowed.
    """
    try:
        fields = yaml.load(path.read_bytes(), Loader=_LOADER)  # noqa: S506 a safe loader, see above
        entry = ModelEntry.model_validate(fields)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path.name}: not YAML: {_one_line(error)}") from error
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"{path.name}: {'; '.join(faults)}") from error
    if entry.id != path.stem:
        raise ConfigurationError(f"{path.name}: id is {entry.id!r}; it must be {path.stem!r}")
    return entry


def load_catalogue(folder: Path = MODEL_CONFIGS) -> dict[str, ModelEntry]:
    """Read every entry of `folder`, by id, in alphabetical order."""
    return {path.stem: load_entry(path) for path in sorted(folder.glob("*.yaml"))}


def entries_of(ids: tuple[str, ...], folder: Path = MODEL_CONFIGS) -> dict[str, ModelEntry]:
    """Read only the entries named, in that order: what a cold function start can afford.

    Raises:
        ConfigurationError: an id has no file, or the file is faulty.
    """
    return {model_id: load_entry(_existing(model_id, folder)) for model_id in ids}


def pick(catalogue: Mapping[str, ModelEntry], model_id: str) -> ModelEntry:
    """Look an id up.

    Raises:
        ConfigurationError: no such entry; the message lists those that exist.
    """
    if model_id not in catalogue:
        raise ConfigurationError(f"no model {model_id!r} in the catalogue: {', '.join(catalogue)}")
    return catalogue[model_id]


def _existing(model_id: str, folder: Path) -> Path:
    path = folder / f"{model_id}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise ConfigurationError(f"no model {model_id!r} in the catalogue: {known}")
    return path


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
