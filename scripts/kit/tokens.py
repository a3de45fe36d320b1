"""ID tokens of the signed-in user, kept between commands and renewed before they expire."""

import base64
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.kit import stages
from scripts.kit.errors import CommandError
from scripts.kit.stages import Stage

_RENEW_BEFORE_S = 120


@dataclass(frozen=True)
class Tokens:
    """What Cognito gave for one user of one pool."""

    email: str
    id_token: str
    refresh_token: str

    def expires_at(self) -> float:
        """Unix time, as the token itself says; nothing is verified here."""
        payload = self.id_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])


class TokenCache:
    """A file of tokens by user pool, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tokens.json"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "TokenCache":
        return cls(Path(env.get("KIT_CONFIG_DIR") or Path.home() / ".config" / "llm-app-kit"))

    def get(self, pool_id: str) -> Tokens | None:
        found = self._read().get(pool_id)
        return Tokens(**found) if found else None

    def put(self, pool_id: str, tokens: Tokens) -> None:
        """Replace the file as a whole, so that a reader never sees half of it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        everything = {**self._read(), pool_id: asdict(tokens)}
        handle, written = tempfile.mkstemp(dir=self._path.parent)  # mode 0600
        with os.fdopen(handle, "w") as file:
            json.dump(everything, file)
        Path(written).replace(self._path)

    def _read(self) -> dict[str, Any]:
        if not self._path.exists():
            return {}
        found: dict[str, Any] = json.loads(self._path.read_text())
        return found


def id_token(
    stage: Stage,
    cache: TokenCache,
    *,
    cognito: Any = None,
    now: Callable[[], float] = time.time,
) -> str:
    """Return a valid ID token: the kept one, a renewed one, or the local demo user's.

    Raises:
        CommandError: nobody is signed in to this stage.
    """
    kept = cache.get(stage.user_pool_id)
    if kept and kept.expires_at() - now() > _RENEW_BEFORE_S:
        return kept.id_token
    cognito = cognito or stages.cognito(stage)
    renewed = _renewed(cognito, stage, kept) if kept else None
    renewed = renewed or (_demo_user(cognito, stage) if stage.is_local else None)
    if renewed is None:
        who = f"the sign-in of {kept.email} has expired" if kept else "nobody is signed in"
        raise CommandError(f"{who} ({stage.name})", next_step=f"kit login --stage {stage.name}")
    cache.put(stage.user_pool_id, renewed)
    return renewed.id_token


def signed_in(email: str, result: Mapping[str, str], *, refresh_token: str = "") -> Tokens:
    """Read Cognito's `AuthenticationResult`; a renewal brings no new refresh token."""
    return Tokens(email, result["IdToken"], result.get("RefreshToken") or refresh_token)


def _renewed(cognito: Any, stage: Stage, kept: Tokens) -> Tokens | None:
    try:
        reply = cognito.initiate_auth(
            ClientId=stage.client_id,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": kept.refresh_token},
        )
    except cognito.exceptions.NotAuthorizedException:
        return None
    return signed_in(kept.email, reply["AuthenticationResult"], refresh_token=kept.refresh_token)


def _demo_user(cognito: Any, stage: Stage) -> Tokens:
    from scripts.local.launcher import demo_user
    from scripts.local.launcher.layout import Layout

    password = demo_user.password(Layout.from_env(os.environ))
    reply = cognito.initiate_auth(
        ClientId=stage.client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": demo_user.EMAIL, "PASSWORD": password},
    )
    return signed_in(demo_user.EMAIL, reply["AuthenticationResult"])
