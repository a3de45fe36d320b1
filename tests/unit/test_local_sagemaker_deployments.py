"""How long the runtime trusts what the control plane said."""

import asyncio

import pytest

from scripts.local.sagemaker.deployments import Deployment, Deployments
from scripts.local.sagemaker.faults import InvalidCallError


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class ControlPlane:
    def __init__(self) -> None:
        self.asked = 0
        self.there = True

    def deployment(self, endpoint: str, component: str | None) -> Deployment:
        self.asked += 1
        if not self.there:
            raise InvalidCallError(f"Endpoint {endpoint} of account 000000000000 not found.")
        return Deployment(f"{endpoint}/{component}", "AllTraffic", "arn:aws:logs:::log-group:g")


def test_a_second_call_within_seconds_asks_nobody() -> None:
    control_plane, clock = ControlPlane(), Clock()
    deployments = Deployments(control_plane, keep_s=5, now=clock)

    first = asyncio.run(deployments.find("e", "c"))
    clock.now_s = 4.9
    second = asyncio.run(deployments.find("e", "c"))

    assert (first, control_plane.asked) == (second, 1)


def test_components_of_one_endpoint_are_kept_apart() -> None:
    deployments = Deployments(ControlPlane(), now=Clock())

    found = [
        asyncio.run(deployments.find("e", component)).model_id for component in ("a", "b", None)
    ]

    assert found == ["e/a", "e/b", "e/None"]


def test_an_endpoint_that_is_gone_is_refused_once_the_memory_is_old() -> None:
    control_plane, clock = ControlPlane(), Clock()
    deployments = Deployments(control_plane, keep_s=5, now=clock)
    asyncio.run(deployments.find("e", None))

    control_plane.there = False
    clock.now_s = 5.0
    with pytest.raises(InvalidCallError, match="Endpoint e of account"):
        asyncio.run(deployments.find("e", None))


def test_an_endpoint_that_was_absent_is_served_as_soon_as_it_is_there() -> None:
    control_plane = ControlPlane()
    deployments = Deployments(control_plane, now=Clock())
    control_plane.there = False
    with pytest.raises(InvalidCallError):
        asyncio.run(deployments.find("e", None))

    control_plane.there = True
    assert asyncio.run(deployments.find("e", None)).model_id == "e/None"
