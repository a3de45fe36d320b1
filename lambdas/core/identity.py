"""Who a caller is: made by the HTTP edge from verified claims, and by nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

from lambdas.core.errors import UnauthenticatedError


@dataclass(frozen=True, slots=True)
class Owner:
    """The verified subject whose data a store may touch."""

    sub: str

    @classmethod
    def from_claims(cls, claims: object) -> "Owner":
        """Take the subject out of the claims that API Gateway's authorizer verified.

        Raises:
            UnauthenticatedError: there are no claims, or no subject in them.
        """
        sub = claims.get("sub") if isinstance(claims, Mapping) else None
        if not isinstance(sub, str) or not sub:
            raise UnauthenticatedError("no verified identity came with this request")
        return cls(sub)
