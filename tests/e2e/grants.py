"""What the functions' roles may do, and what of it they have done while IAM was enforced."""

import json
from collections.abc import Iterator
from typing import Any

from tests.e2e.cloud import Cloud

ROLES = "kit-local-Api-"


def report(cloud: Cloud) -> list[str]:
    """A line for every action that was denied, or granted and never used."""
    allowed, denied = _uses(cloud)
    lines = [f"denied: {role} {action}" for role, action in sorted(denied)]
    for role, actions in _granted(cloud.client("iam")):
        unused = sorted(a for a in actions if (role, a.lower()) not in allowed)
        lines += [f"granted, never used: {role} {action}" for action in unused]
    return lines


def _granted(iam: Any) -> Iterator[tuple[str, set[str]]]:
    for page in iam.get_paginator("list_roles").paginate():
        for name in (role["RoleName"] for role in page["Roles"]):
            if name.startswith(ROLES):
                yield name, {action for policy in _policies(iam, name) for action in policy}


def _policies(iam: Any, role: str) -> Iterator[list[str]]:
    """The actions of every statement of a role's own policies."""
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        parsed = json.loads(document) if isinstance(document, str) else document
        for statement in parsed["Statement"]:
            actions = statement["Action"]
            yield [actions] if isinstance(actions, str) else actions


def _uses(cloud: Cloud) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Role and action of all calls that were allowed, and of all that were not."""
    (file,) = cloud.folder.rglob("iam-usage.jsonl")
    uses = [json.loads(line) for line in file.read_text().splitlines()]
    found: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
    for use in uses:
        role = use["principal"].split("/")[1]
        found[use["allowed"]].add((role, use["action"].lower()))
    return found[True], found[False]
