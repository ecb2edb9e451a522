import itertools
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.brokers import registry
from libs.trading.accounts import Account, Environment, SessionState
from libs.trading.follows import Follow, Sizing, SizingMode
from libs.trading.instruments import Instrument
from libs.trading.orders import OrderType, Side
from libs.trading.reasons import SkipReason
from libs.trading.signals import Signal, SignalAction
from libs.trading.sizing import sized_quantity
from services.executor.fanout import Fanout, Opened
from services.executor.rows import PlannedOrder
from tests.factories import a_follow, a_signal, an_account, some_terms


class TwoInstruments:
    """Lists one share and one future; nothing else is known."""

    def find(self, name: str) -> Instrument | None:
        lots = {"NSE:SBIN": 1, "NFO:NIFTY:2026-12-29:FUT": 65}
        return Instrument(name=name, lot_size=lots[name]) if name in lots else None

    def has_derivatives(self, underlying: str) -> bool | None:
        return None


def a_fanout(**limits: object) -> Fanout:
    numbers = itertools.count()
    manifest = replace(registry.manifest(registry.BROKERS[0]), **limits)  # type: ignore[arg-type]  # named fields
    return Fanout(
        manifest=manifest,
        instruments=TwoInstruments(),
        partitions=4,
        mint_order_id=lambda: f"o{next(numbers)}",
        mint_tag=lambda: f"t{next(numbers)}",
    )


def entries(
    signal: Signal,
    *follows: Follow,
    accounts: Sequence[Account] = (),
    fanout: Fanout | None = None,
) -> list[PlannedOrder]:
    known = {account.account_id: account for account in accounts or [an_account()]}
    return (fanout or a_fanout()).entries(signal, follows or [a_follow()], known)


def sizing(value: str, mode: SizingMode = SizingMode.MULTIPLIER) -> Sizing:
    return Sizing(mode=mode, value=Decimal(value))


def test_each_follower_gets_their_own_size_of_the_masters_terms() -> None:
    half, fixed = (
        a_follow(sizing=sizing("0.5")),
        a_follow(follow_id="f2", sizing=sizing("7", SizingMode.FIXED_QUANTITY)),
    )

    planned = entries(a_signal(), half, fixed)

    assert [order.shape.terms.quantity for order in planned] == [5, 7]
    assert {order.shape.terms.limit_price for order in planned} == {Decimal("812.50")}
    assert len({order.client_order_id for order in planned}) == 2


@pytest.mark.parametrize(
    ("reason", "signal", "follow", "account"),
    [
        (SkipReason.TOO_SMALL, a_signal(), a_follow(sizing=sizing("0.05")), an_account()),
        (SkipReason.PAUSED, a_signal(), a_follow(paused=True), an_account()),
        (
            SkipReason.DISCONNECTED,
            a_signal(),
            a_follow(),
            an_account(session_state=SessionState.DISCONNECTED),
        ),
        (SkipReason.DISCONNECTED, a_signal(), a_follow(account_id="unknown"), an_account()),
        (SkipReason.NO_CONSENT, a_signal(), a_follow(), an_account(environment=Environment.LIVE)),
        (SkipReason.UNKNOWN_INSTRUMENT, a_signal(instrument="NSE:NOPE"), a_follow(), an_account()),
    ],
)
def test_whoever_gets_nothing_has_a_row_that_says_why(
    reason: SkipReason, signal: Signal, follow: Follow, account: Account
) -> None:
    [order] = entries(signal, follow, accounts=[account])

    assert (order.shape.state, order.shape.reason) == ("SKIPPED", reason)
    assert order.shape.message


def test_an_order_type_the_broker_does_not_take_is_skipped() -> None:
    fanout = a_fanout(order_types=frozenset({OrderType.MARKET}))

    [order] = entries(a_signal(), fanout=fanout)

    assert order.shape.reason == SkipReason.UNSUPPORTED


def exits(net: int, closing: int = 0, side: Side | None = Side.SELL) -> list[PlannedOrder]:
    signal = a_signal(action=SignalAction.EXIT, side=side)
    account = an_account()
    opened = Opened(account_id=account.account_id, net_quantity=net, closing=closing)
    return a_fanout().exits(
        signal, [a_follow()], {account.account_id: account}, {account.account_id: opened}
    )


@pytest.mark.parametrize(
    ("net", "closing", "side", "expected"),
    [
        (6, 0, Side.SELL, ("PLANNED", Side.SELL, 6)),
        (6, 4, Side.SELL, ("PLANNED", Side.SELL, 2)),
        (-6, 0, None, ("PLANNED", Side.BUY, 6)),
        (6, 6, Side.SELL, ("SKIPPED", Side.SELL, 0)),
        (0, 0, Side.SELL, ("SKIPPED", Side.BUY, 0)),
        (6, 0, Side.BUY, ("SKIPPED", Side.SELL, 6)),
    ],
)
def test_an_exit_closes_what_is_held_and_never_opens_anything(
    net: int, closing: int, side: Side | None, expected: tuple[str, Side, int]
) -> None:
    [order] = exits(net, closing, side)

    assert (order.shape.state, order.shape.side, order.shape.terms.quantity) == expected


def test_a_follower_for_whom_nothing_was_opened_gets_no_row_for_an_exit() -> None:
    signal = a_signal(action=SignalAction.EXIT, side=Side.SELL)

    assert a_fanout().exits(signal, [a_follow()], {}, {}) == []


def test_modified_terms_are_sized_like_the_entry() -> None:
    signal = a_signal(action=SignalAction.MODIFY, terms=some_terms(quantity=9))

    terms = a_fanout().modified_terms(signal, a_follow(sizing=sizing("0.5")))

    assert terms is not None
    assert terms.quantity == 4


@given(
    master=st.integers(1, 10_000_000),
    factor=st.decimals("0.0001", 100, places=4),
    lot=st.integers(1, 5_000),
)
def test_sizes_are_whole_lots_and_never_more_than_the_share(
    master: int, factor: Decimal, lot: int
) -> None:
    quantity = sized_quantity(master, Sizing(mode=SizingMode.MULTIPLIER, value=factor), lot)

    assert quantity % lot == 0
    assert 0 <= quantity <= master * factor < quantity + lot
