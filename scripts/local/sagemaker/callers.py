"""Whether a caller may invoke: asked from the emulator, which knows the roles and their keys."""

import re
import time
from collections.abc import Callable

import httpx

from scripts.local.sagemaker.faults import AccessDeniedError, UnavailableError

ACTION = "sagemaker:InvokeEndpoint"  # the one action of all calls of the runtime
ANSWER_WITHIN_S = 5
_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/,\s]+)/")


class Callers:
    """Asks once for each key and resource, and again after `keep_s`."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        control_plane_url: str,
        *,
        account: str,
        keep_s: float = 5.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._url = f"{control_plane_url}/_kit/authorize"
        self._account = account
        self._keep_s = keep_s
        self._now = now
        self._allowed_at: dict[tuple[str, str], float] = {}

    async def check(self, authorization: str, endpoint: str, component: str | None) -> None:
        """Let the signer of a request pass, for the endpoint and the component on it.

        Raises:
            AccessDeniedError: unsigned, or no policy of the signer allows it.
            UnavailableError: the emulator does not answer.
        """
        signed = _CREDENTIAL.search(authorization)
        if signed is None:
            raise AccessDeniedError("the request is not signed")
        named = [
            f"endpoint/{endpoint}",
            *([f"inference-component/{component}"] if component else []),
        ]
        for name in named:
            await self._check(
                signed["key"], f"arn:aws:sagemaker:{signed['region']}:{self._account}:{name}"
            )

    async def _check(self, key: str, arn: str) -> None:
        allowed_at = self._allowed_at.get((key, arn))
        if allowed_at is not None and self._now() - allowed_at < self._keep_s:
            return
        question = {"access_key": key, "action": ACTION, "resource": arn}
        try:
            reply = (
                await self._client.get(self._url, params=question, timeout=ANSWER_WITHIN_S)
            ).raise_for_status()
        except httpx.HTTPError as error:
            raise UnavailableError(f"the control plane failed: {error}") from error
        if not reply.json()["allowed"]:
            raise AccessDeniedError(f"the caller is not authorized to perform {ACTION} on {arn}")
        self._allowed_at[key, arn] = self._now()
