"""What is claimed may be written for a moment from its commit, not from when we hear of it.

A process that is frozen in between would else send an order of a minute ago when it wakes.
"""

from typing import Any, cast

import asyncpg
import pytest

from libs.trading.accounts import Environment
from libs.trading.market import RequestKind
from libs.trading.orders import OrderType, Validity
from services.executor import births, claiming
from services.executor.births import Births
from services.executor.claiming import CLAIM_ENTRIES, Claims
from services.executor.rows import (
    WRITE_WITHIN_S,
    Due,
    Holding,
    Leaving,
    PlannedOrder,
    Shape,
)
from tests.factories import NOON, a_signal, some_terms

_FROZEN_S = 60.0
_OURS = Holding(owner="us", epochs={0: 1})


class ClockOfAFrozenProcess:
    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


class DatabaseThatAnswersWhileWeAreFrozen:
    """Commits at once; its answer is read a minute later."""

    def __init__(self, clock: ClockOfAFrozenProcess, row: Any) -> None:
        self._clock, self._row = clock, row

    async def fetch(self, *_: object) -> list[Any]:
        self._clock.now += _FROZEN_S
        return [self._row]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ClockOfAFrozenProcess:
    clock = ClockOfAFrozenProcess()
    monkeypatch.setattr(births, "time", clock)
    monkeypatch.setattr(claiming, "time", clock)
    return clock


def a_planned_order() -> PlannedOrder:
    signal = a_signal()
    shape = Shape(
        signal=signal,
        product=cast("Any", signal.product),
        environment=Environment.PAPER,
        side=cast("Any", signal.side),
        terms=some_terms(),
        algo_id=None,
        request_hash=b"",
    )
    return PlannedOrder("order-1", "tag-1", "account-1", 0, "follow-1", "user-1", 0, shape)


async def test_an_order_born_sending_is_not_written_when_the_process_was_frozen(
    clock: ClockOfAFrozenProcess,
) -> None:
    began_at, order = clock.now, a_planned_order()
    database = DatabaseThatAnswersWhileWeAreFrozen(clock, ("tag-1", 1, "SENDING"))
    new = Births("fyers", 10, 100, lambda: _OURS)

    born = await new.write(cast("asyncpg.Pool", database), a_signal(), [order], [], lambda _: True)

    assert born.claims[0].not_after <= began_at + WRITE_WITHIN_S


async def test_a_claimed_order_is_not_written_when_the_process_was_frozen(
    clock: ClockOfAFrozenProcess,
) -> None:
    began_at, terms = clock.now, some_terms()
    row = {
        "order_id": "order-1", "version": 2, "user_id": "user-1", "signal_id": "signal-1",
        "client_order_id": "tag-1", "account_id": "account-1", "instrument": "NSE:SBIN",
        "side": "BUY", "product": "INTRADAY", "validity": "DAY", "algo_id": None,
        "order_type": "LIMIT", "quantity": terms.quantity, "limit_price": terms.limit_price,
        "trigger_price": None,
    }  # fmt: skip
    database = DatabaseThatAnswersWhileWeAreFrozen(clock, row)
    due = Due(
        order_id="order-1",
        version=1,
        leaving=Leaving(
            account_id="account-1",
            environment=cast("Any", "PAPER"),
            instrument="NSE:SBIN",
            kind=RequestKind.ENTRY,
            order_type=OrderType.LIMIT,
            validity=Validity.DAY,
            expires_at=NOON,
        ),
    )

    claims = await Claims(cast("asyncpg.Pool", database), 10).orders(CLAIM_ENTRIES, [due], _OURS)

    assert claims[0].not_after <= began_at + WRITE_WITHIN_S
