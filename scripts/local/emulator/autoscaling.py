"""Application Auto Scaling: scalable targets and policies are kept and described, not acted upon.

Scale to zero needs them to deploy and to be readable; the copies of a local model are not scaled.
"""

import copy
import time
import uuid
from collections.abc import Callable
from typing import Any

from scripts.local.emulator.sagemaker_store import JsonObject, RequestRefusedError, Scope
from scripts.local.emulator.shapes import ShapeError, check, from_template, input_shape

SERVICE = "application-autoscaling"
TARGET_KEYS = ("ResourceId", "ScalableDimension", "ServiceNamespace")
ROLE = "arn:aws:iam::{account}:role/aws-service-role/autoscaling"


class NotFoundError(Exception):
    """The target or policy does not exist; the wire code is ObjectNotFoundException."""


class AutoScaling:
    """Keeps targets by (resource, dimension, namespace) and policies by that and their name."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._targets: dict[str, JsonObject] = {}
        self._policies: dict[str, JsonObject] = {}
        self._operations: dict[str, Callable[[Scope, JsonObject], JsonObject]] = {
            "RegisterScalableTarget": self._register,
            "DescribeScalableTargets": self._describe_targets,
            "DeregisterScalableTarget": self._deregister,
            "PutScalingPolicy": self._put_policy,
            "DescribeScalingPolicies": self._describe_policies,
            "DeleteScalingPolicy": self._delete_policy,
        }

    @property
    def operations(self) -> tuple[str, ...]:
        return tuple(self._operations)

    def call(self, scope: Scope, operation: str, request: JsonObject) -> JsonObject:
        """Do one operation.

        Raises:
            RequestRefusedError: the request does not fit the service's description of it.
            NotFoundError: it names something that is not there.
        """
        try:
            check(request, input_shape(SERVICE, operation))
        except ShapeError as error:
            raise RequestRefusedError(str(error)) from error
        return self._operations[operation](scope, request)

    def _register(self, scope: Scope, request: JsonObject) -> JsonObject:
        key = _key(scope, request)
        old = self._targets.get(key)
        if old is None and not {"MinCapacity", "MaxCapacity"} <= request.keys():
            raise RequestRefusedError("MinCapacity and MaxCapacity are required for a new target.")
        arn = f"arn:aws:{SERVICE}:{scope.region}:{scope.account}:scalable-target/{uuid.uuid4().hex}"
        made = {
            "RoleARN": ROLE.format(account=scope.account),
            "CreationTime": self._clock(),
            "ScalableTargetARN": arn,
        }
        self._targets[key] = {**made, **(old or {}), **request}
        return {"ScalableTargetARN": self._targets[key]["ScalableTargetARN"]}

    def _describe_targets(self, scope: Scope, request: JsonObject) -> JsonObject:
        ids = request.get("ResourceIds")
        found = [
            {name: value for name, value in target.items() if name != "Tags"}
            for key, target in self._targets.items()
            if _in_scope(key, scope) and _asked(target, request) and _one_of(target, ids)
        ]
        return {"ScalableTargets": found}

    def _deregister(self, scope: Scope, request: JsonObject) -> JsonObject:
        key = _key(scope, request)
        if self._targets.pop(key, None) is None:
            raise NotFoundError(f"No scalable target found for {_words(request)}")
        for policy in [name for name in self._policies if name.startswith(f"{key}|")]:
            del self._policies[policy]
        return {}

    def _put_policy(self, scope: Scope, request: JsonObject) -> JsonObject:
        if _key(scope, request) not in self._targets:
            raise NotFoundError(f"No scalable target registered for {_words(request)}")
        key = f"{_key(scope, request)}|{request['PolicyName']}"
        unique, namespace = uuid.uuid4(), request["ServiceNamespace"]
        place = f"resource/{namespace}/{request['ResourceId']}:policyName/{request['PolicyName']}"
        owner = f"arn:aws:autoscaling:{scope.region}:{scope.account}"
        made = {
            "PolicyARN": f"{owner}:scalingPolicy:{unique}:{place}",
            "PolicyType": "StepScaling",
            "CreationTime": self._clock(),
        }
        self._policies[key] = {**made, **self._policies.get(key, {}), **request}
        return {"PolicyARN": self._policies[key]["PolicyARN"], "Alarms": []}

    def _describe_policies(self, scope: Scope, request: JsonObject) -> JsonObject:
        names = request.get("PolicyNames")
        found = [
            policy
            for key, policy in self._policies.items()
            if _in_scope(key, scope)
            and _asked(policy, request)
            and (not names or policy["PolicyName"] in names)
        ]
        return {"ScalingPolicies": found}

    def _delete_policy(self, scope: Scope, request: JsonObject) -> JsonObject:
        if self._policies.pop(f"{_key(scope, request)}|{request['PolicyName']}", None) is None:
            raise NotFoundError(f"No scaling policy found for {_words(request)}")
        return {}

    def clear(self) -> None:
        self._targets.clear()
        self._policies.clear()

    def dump(self) -> JsonObject:
        return copy.deepcopy({"targets": self._targets, "policies": self._policies})

    def load(self, saved: JsonObject) -> None:
        self._targets.update(saved["targets"])
        self._policies.update(saved["policies"])

    # CloudFormation's two types.

    def provision_target(self, scope: Scope, properties: JsonObject) -> tuple[str, JsonObject]:
        ignored = frozenset({"ScheduledActions", "Id"})
        shape = input_shape(SERVICE, "RegisterScalableTarget")
        request = from_template(properties, shape, ignored)
        self.call(scope, "RegisterScalableTarget", request)
        physical_id = "|".join(request[key] for key in TARGET_KEYS)
        return physical_id, {"Id": physical_id}

    def provision_policy(self, scope: Scope, properties: JsonObject) -> tuple[str, JsonObject]:
        target = properties.get("ScalingTargetId")
        placed = dict(zip(TARGET_KEYS, target.split("|"), strict=True)) if target else {}
        shape = input_shape(SERVICE, "PutScalingPolicy")
        request = from_template({**placed, **properties}, shape, frozenset({"ScalingTargetId"}))
        arn = self.call(scope, "PutScalingPolicy", request)["PolicyARN"]
        return arn, {"Arn": arn}

    def forget_target(self, scope: Scope, physical_id: str) -> None:
        self._targets.pop("|".join((scope.account, scope.region, physical_id)), None)

    def forget_policy(self, arn: str) -> None:
        for key in [key for key, policy in self._policies.items() if policy["PolicyARN"] == arn]:
            del self._policies[key]


def _key(scope: Scope, request: JsonObject) -> str:
    return "|".join((scope.account, scope.region, *(request[key] for key in TARGET_KEYS)))


def _in_scope(key: str, scope: Scope) -> bool:
    return key.startswith(f"{scope.account}|{scope.region}|")


def _asked(found: JsonObject, request: JsonObject) -> bool:
    return all(found[key] == request.get(key, found[key]) for key in TARGET_KEYS)


def _one_of(target: JsonObject, ids: list[Any] | None) -> bool:
    return not ids or target["ResourceId"] in ids


def _words(request: JsonObject) -> str:
    return ", ".join(f"{key}: {request[key]}" for key in TARGET_KEYS)
