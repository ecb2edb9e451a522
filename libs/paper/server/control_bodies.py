"""What the control routes take, with its bounds."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from libs.paper.server.knobs import ORDER_WRITES, Failure, Knob, Operation, Outcome
from libs.trading.orders import OrderType, Product, Side, Validity

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
    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,60}$")
    client_id: str | None = None
    operations: frozenset[Operation] = Field(default=ORDER_WRITES, min_length=1)
    latency_ms: float = Field(default=0, ge=0, le=120_000)
    outcome: Outcome = Outcome.NORMAL
    failure: Failure = Failure.DROP
    visibility_lag_s: float = Field(default=0, ge=0, le=600)
    echo_tags: bool = True
    after: int = Field(default=0, ge=0)
    requests: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1, gt=0, le=1)
    seed: int = 7
    redirect_to: str = Field(
        default="http://127.0.0.1:9", pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$"
    )
    huge_mib: int = Field(default=64, ge=1, le=1024)

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        """Refuse what would silently do nothing: no test may believe in a fault it never had."""
        given = self.model_fields_set
        if "failure" in given and self.outcome is Outcome.NORMAL:
            raise ValueError(
                f"failure {self.failure} needs an outcome: act_then_fail or fail_before_act"
            )
        if "redirect_to" in given and self.failure is not Failure.REDIRECT:
            raise ValueError("redirect_to needs failure: redirect")
        if "huge_mib" in given and self.failure is not Failure.HUGE:
            raise ValueError("huge_mib needs failure: huge")
        return self

    def knob(self) -> Knob:
        return Knob(**self.model_dump(exclude={"id"}), id=self.id or "")


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


class FeedDropBody(_Body):
    client_id: str | None = None
    for_s: float = Field(default=0, ge=0, le=3600)


class FeedReplayBody(_Body):
    client_id: str | None = None
    order: Literal["same", "reversed"] = "same"
    times: int = Field(default=1, ge=1, le=100)


class ForeignOrderBody(_Body):
    """An order the account's owner places himself; `tag` is not ours, usually there is none."""

    client_id: str
    instrument: str
    side: Side = Side.BUY
    quantity: int = Field(gt=0)
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = Field(default=None, gt=0)
    trigger_price: Decimal | None = Field(default=None, gt=0)
    product: Product = Product.INTRADAY
    validity: Validity = Validity.DAY
    tag: str = Field(default="", pattern=r"^[A-Za-z0-9]{0,30}$")
