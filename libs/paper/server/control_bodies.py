"""What the control routes take, with its bounds."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from libs.paper.server.knobs import ORDER_WRITES, Failure, Operation, Outcome

Money = Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=2)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PriceBody(_Body):
    instrument: str
    price: Decimal = Field(gt=0)


class WalkBody(_Body):
    on: bool


class AccountBody(_Body):
    client_id: str
    funds: Money = Decimal(1_000_000)
    pin: str = Field(default="1234", pattern=r"^\d{4}$")


class AuthorizationBody(_Body):
    client_id: str
    app_id: str
    redirect_uri: str
    state: str = ""


class KnobBody(_Body):
    client_id: str | None = None
    operations: frozenset[Operation] = ORDER_WRITES
    latency_ms: float = Field(default=0, ge=0, le=120_000)
    outcome: Outcome = Outcome.NORMAL
    failure: Failure = Failure.DROP
    visibility_lag_s: float = Field(default=0, ge=0, le=600)
    requests: int | None = Field(default=None, ge=1)


class FillStepBody(_Body):
    percent: int = Field(gt=0, le=100)
    after_s: float = Field(default=0, ge=0, le=3600)


class FillsBody(_Body):
    steps: list[FillStepBody] = Field(min_length=1, max_length=20)
    orders: int = Field(default=1, ge=1)
    client_id: str | None = None
    instrument: str | None = None


class SessionsBody(_Body):
    client_id: str | None = None
