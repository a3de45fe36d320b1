"""Every name of ministack that we use, with the parameters we rely on: checked at each start.

ministack promises none of them, so an upgrade that moves one must stop the start with its name.
"""

import importlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass

VERSION = "1.5.33"


class HookError(Exception):
    """This ministack does not have what our hooks need; the text says what."""


@dataclass(frozen=True)
class Name:
    """One attribute of a module; `parameters` in order when it is called or replaced."""

    module: str
    attribute: str
    parameters: tuple[str, ...] | None = None
    source: tuple[str, ...] = ()
    """Texts that must occur in its source: what it reads at call time and we replace."""

    def __str__(self) -> str:
        return f"ministack.{self.module}.{self.attribute}"

    def fault(self) -> str | None:
        """Say what differs from what we rely on, or None."""
        try:
            found: object = importlib.import_module(f"ministack.{self.module}")
            for part in self.attribute.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            return f"{self} is missing"
        if self.parameters is not None:
            has = tuple(inspect.signature(found).parameters)  # type: ignore[arg-type]
            if has != self.parameters:
                return f"{self} takes {has}, not {self.parameters}"
        for text in self.source:
            if text not in inspect.getsource(found):  # type: ignore[arg-type]
                return f"{self} no longer contains {text!r}"
        return None


HANDLER = ("method", "path", "headers", "body", "query_params")

CONTRACT = (
    # Serving
    Name("app", "app", ("scope", "receive", "send")),
    Name("app", "SERVICE_HANDLERS"),
    Name("app", "SERVICE_REGISTRY"),
    Name("app", "_state_map"),
    Name("app", "_loaded_modules"),
    Name("app", "_get_module", ("name",), ("_loaded_modules.get(name)",)),
    Name("core.router", "SERVICE_PATTERNS"),
    Name("core.router", "detect_service", ("method", "path", "headers", "query_params")),
    Name("core.responses", "get_account_id", ()),
    Name("core.responses", "get_region", ()),
    Name("core.responses", "request_scope", ("account_id", "region")),
    Name("core.responses", "StreamingResponse", ("runner",)),
    Name("core.iam_actions", "SERVICE_TO_IAM_NAMESPACE"),
    Name(
        "core.iam_actions",
        "extract_resource_arn",
        ("service", *HANDLER, "region", "account_id"),
    ),
    # State
    Name("app", "save_all", ("services",)),
    Name("app", "load_state", ("service",)),
    Name("app", "_build_persistence_save_dict", ()),
    Name("app", "_handle_lifespan", None, ("save_all(_build_persistence_save_dict())",)),
    Name("app", "_load_persisted_state", (), ("load_state(state_key)",)),
    Name("core.persistence", "_json_default", ("obj",)),
    Name("core.persistence", "_json_object_hook", ("obj",)),
    Name("core.persistence", "_state_format_version", ("service",)),
    Name("services.lambda_svc", "_prune_orphan_code_blobs", ("referenced",)),
    Name("services.lambda_svc", "get_state", (), ("_prune_orphan_code_blobs(referenced)",)),
    # CloudFormation
    Name("services.cloudformation.provisioners", "_RESOURCE_HANDLERS"),
    Name("services.cloudformation.provisioners", "_STACK_TAG_PROPERTY"),
    Name("services.cloudformation.provisioners", "_REPLACING_PROPERTIES"),
    Name("services.cloudformation.provisioners", "_CUSTOM_NAME_REPLACEMENT"),
    Name(
        "services.cloudformation.provisioners",
        "_provision_resource",
        ("resource_type", "logical_id", "props", "stack_name"),
        ('handler["create"](logical_id, props, stack_name)',),
    ),
    # Plain functions
    Name("core.lambda_runtime", "_detect_runtime_binary", ("runtime",)),
    Name("core.lambda_runtime", "subprocess"),
    Name(
        "core.lambda_runtime",
        "Worker._spawn",
        ("self",),
        ("_detect_runtime_binary(runtime)", "subprocess.Popen(", "_LAMBDA_LAYERS_DIRS"),
    ),
    Name("core.lambda_runtime", "Worker.invoke", None, ('"event": event', '"request_id"')),
    Name("services.lambda_svc", "_execute_function_warm", ("func", "event", "request_id")),
)


def verify(names: Iterable[Name] = CONTRACT) -> None:
    """Check every name.

    Raises:
        HookError: lists all that differ.
    """
    faults = [fault for name in names if (fault := name.fault())]
    if faults:
        listed = "\n  ".join(faults)
        raise HookError(
            f"ministack is not the version that the hooks were written for ({VERSION}):\n  {listed}"
        )
