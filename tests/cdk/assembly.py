"""Synthesises a stage in this process and reads what came out."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read once, when the CDK's node process starts: validation doubles the time of a synth, and one
# test has it on (test_findings.py).
os.environ["CDK_VALIDATION"] = "false"

import aws_cdk as cdk

from cdk.app import add_stacks
from cdk.config import DeployConfig, load_config
from cdk.layers import ROOT

Json = dict[str, Any]

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "111122223333",
    "AWS::URLSuffix": "amazonaws.com",
}


@dataclass(frozen=True)
class Assembly:
    """A synthesised stage."""

    config: DeployConfig
    folder: Path

    def template(self, part: str) -> Json:
        path = self.folder / f"{self.config.prefix}-{part}.template.json"
        template: Json = json.loads(path.read_text())
        return template

    @property
    def parts(self) -> list[str]:
        start = len(self.config.prefix) + 1
        names = (path.name for path in self.folder.glob("*.template.json"))
        return sorted(name.removesuffix(".template.json")[start:] for name in names)

    def resources(self, kind: str = "", part: str | None = None) -> Iterator[tuple[str, Json]]:
        """Logical id and definition of every resource of type `AWS::<kind>`, or of all."""
        for name in [part] if part else self.parts:
            for logical_id, resource in self.template(name)["Resources"].items():
                if kind in {"", resource["Type"].removeprefix("AWS::")}:
                    yield logical_id, resource

    def properties(self, kind: str, part: str | None = None) -> list[Json]:
        return [resource["Properties"] for _, resource in self.resources(kind, part)]

    def asset(self, part: str, s3_key: str) -> Path:
        """The staged folder behind the S3 key that a template names."""
        manifest = json.loads(
            (self.folder / f"{self.config.prefix}-{part}.assets.json").read_text()
        )
        staged: str = manifest["files"][s3_key.partition(".")[0]]["source"]["path"]
        return self.folder / staged


def context(**overrides: str) -> Json:
    """What the command line reads from `cdk.json` and its own arguments."""
    written: Json = json.loads((ROOT / "cdk.json").read_text())["context"]
    return {**written, **overrides}


def synthesise(folder: Path, layers: Path, **overrides: str) -> Assembly:
    app = cdk.App(context=context(**overrides), outdir=str(folder), analytics_reporting=False)
    add_stacks(app, layers=layers)
    app.synth()
    return Assembly(load_config(context(**overrides)), folder)


def resolved(value: Any) -> Any:
    """Evaluate what CloudFormation would, for pseudo parameters and joins; ids stay as they are."""
    match value:
        case {"Ref": name} if name in PSEUDO:
            return PSEUDO[name]
        case {"Fn::Join": [separator, parts]}:
            return separator.join(str(resolved(part)) for part in parts)
        case dict():
            return {key: resolved(item) for key, item in value.items()}
        case list():
            return [resolved(item) for item in value]
        case _:
            return value


def statements(policy: Json) -> list[Json]:
    """The statements of a policy document, with actions and resources always as lists."""
    made = []
    for statement in resolved(policy)["Statement"]:
        lists = {
            name: listed if isinstance(listed, list) else [listed]
            for name in ("Action", "Resource")
            if (listed := statement.get(name)) is not None
        }
        made.append({**statement, **lists})
    return made
