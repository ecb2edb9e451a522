"""What auth reads over HTTP. Every refusal names the field and the fix; none repeats a value."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from libs.runtime.identity import Role
from services.auth.passwords import LENGTH_MAX

Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$"),
]
# No control characters: they would reach tables, logs and screens.
Line = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=LENGTH_MAX)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignInBody(_Body):
    email: Annotated[str, StringConstraints(min_length=1, max_length=254)]
    password: Secret


class UserBody(_Body):
    email: Email
    password: Secret
    display_name: Line
    roles: list[Role] = Field(min_length=1, max_length=len(Role))


class ApiKeyBody(_Body):
    label: Line = "API key"


class ConnectBody(BaseModel):
    """`state` and what the broker put into the callback address, under the broker's own names."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"additionalProperties": {"type": "string"}}
    )

    state: str = ""


class OwnAppBody(_Body):
    """An account's own application at the broker."""

    app_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
    api_secret: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,500}$")]
