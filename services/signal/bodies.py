"""The JSON that people send: its shape, each field judged alone, each message with the fix."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from libs.contracts.fields import Body, DecimalText, InstrumentText, Quantity, Rupees
from libs.contracts.rules_json import LimitsBody, SizingBody
from libs.trading.orders import OrderTerms, OrderType, Product, Side, Validity
from libs.trading.signals import CopyMode, SignalAction
from services.signal.proposal import Proposal


def _seconds(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | None):
        raise ValueError("must be a whole number of seconds, as 30")  # noqa: TRY004  # pydantic reports ValueError
    return value


def _filled(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | None) or (value or 0) < 0:
        raise ValueError("must be a whole number from 0, in shares or contracts, as 0")
    return value


def _text(value: str) -> str:
    """Trim, and refuse what no screen shows: control characters hide what a name says."""
    trimmed = value.strip()
    if not all(character.isprintable() or character == "\n" for character in trimmed):
        raise ValueError("must be plain text, leave out control characters")
    return trimmed


Lifetime = Annotated[int | None, BeforeValidator(_seconds, json_schema_input_type=int | None)]
Name = Annotated[str, AfterValidator(_text), Field(min_length=1, max_length=80)]
Description = Annotated[str, AfterValidator(_text), Field(max_length=2000)]


class TermsBody(Body):
    order_type: OrderType
    quantity: Quantity
    limit_price: DecimalText | None = None
    trigger_price: DecimalText | None = None

    def terms(self) -> OrderTerms:
        return OrderTerms(
            order_type=self.order_type,
            quantity=self.quantity,
            limit_price=self.limit_price,
            trigger_price=self.trigger_price,
        )


class SignalBody(Body):
    """POST /signals. Which fields an action takes is judged in `proposal.check`.

    `master_price` is what the master traded at: followers' price guards compare with it.
    `held_quantity` is what was left to close before an EXIT of a part. `filled_before` and
    `filled_after` say which part of the order a fill was, where the strategy copies fills.
    """

    strategy_id: UUID
    action: SignalAction
    instrument: InstrumentText | None = None
    side: Side | None = None
    product: Product | None = None
    validity: Validity | None = None
    terms: TermsBody | None = None
    parent_signal_id: UUID | None = None
    expires_in_s: Lifetime = None
    master_price: DecimalText | None = None
    held_quantity: Quantity | None = None
    filled_before: Annotated[
        int | None, BeforeValidator(_filled, json_schema_input_type=int | None)
    ] = None
    filled_after: Quantity | None = None

    def proposal(self) -> Proposal:
        return Proposal(
            strategy_id=str(self.strategy_id),
            action=self.action,
            instrument=self.instrument,
            side=self.side,
            product=self.product,
            validity=self.validity,
            terms=self.terms.terms() if self.terms else None,
            parent_signal_id=str(self.parent_signal_id) if self.parent_signal_id else None,
            expires_in_s=self.expires_in_s,
            master_price=self.master_price,
            held_quantity=self.held_quantity,
            filled_before=self.filled_before,
            filled_after=self.filled_after,
        )


class ReversalBody(Body):
    """POST /signals/reversals: close all that is held of an instrument, and open the other side.

    `side` and `terms` are those of the new position; the old one is closed by the same terms.
    """

    strategy_id: UUID
    instrument: InstrumentText
    side: Side
    product: Product
    terms: TermsBody
    validity: Validity | None = None
    expires_in_s: Lifetime = None
    master_price: DecimalText | None = None

    def proposals(self) -> tuple[Proposal, Proposal]:
        """Make the way out and the entry."""
        entry = Proposal(
            strategy_id=str(self.strategy_id),
            action=SignalAction.PLACE,
            instrument=self.instrument,
            side=self.side,
            product=self.product,
            validity=self.validity,
            terms=self.terms.terms(),
            expires_in_s=self.expires_in_s,
            master_price=self.master_price,
        )
        return replace(entry, action=SignalAction.EXIT, expires_in_s=None), entry


class StrategyBody(Body):
    """`equity` is what the master trades the strategy with, in rupees: followers size by it.

    `copy_mode` is chosen once: an order must not be copied as an order and then by its fills.
    """

    name: Name
    description: Description = ""
    equity: Rupees | None = None
    copy_mode: CopyMode = CopyMode.ORDERS


class StrategyChangeBody(Body):
    name: Name | None = None
    description: Description | None = None
    equity: Rupees | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "StrategyChangeBody":
        if self.name is None and self.description is None and self.equity is None:
            raise ValueError("give a new name, a new description or a new equity")
        return self


class FollowBody(Body):
    strategy_id: UUID
    account_id: UUID
    sizing: SizingBody
    limits: LimitsBody = LimitsBody()


class FollowChangeBody(Body):
    """`limits` stand in for all the limits there were; `{}` takes them away."""

    sizing: SizingBody | None = None
    limits: LimitsBody | None = None
    paused: Annotated[bool, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "FollowChangeBody":
        if self.sizing is None and self.limits is None and self.paused is None:
            raise ValueError("give a new sizing, new limits, paused or several of them")
        return self
