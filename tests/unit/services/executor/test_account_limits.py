"""Limits of whole accounts: who may get what of one signal, beside the limits of each follow."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from libs.brokers import registry
from libs.trading.calendar import trading_day
from libs.trading.follows import Follow
from libs.trading.instruments import Instrument
from libs.trading.limits import NO_LIMITS, Limits
from libs.trading.orders import OrderTerms, OrderType
from libs.trading.reasons import Refusal, SkipReason, sentence
from libs.trading.shards import shard_of
from libs.trading.signals import Signal, SignalAction
from services.executor.account_limits import AccountLimits
from services.executor.fanout import Fanout
from services.executor.followers import Followers
from services.executor.rows import PlannedOrder
from services.executor.standings import Standings
from tests.factories import NOON, a_follow, a_signal, an_account, some_terms

SHARD = shard_of("account-1", 4)
MARKET = some_terms(order_type=OrderType.MARKET, limit_price=None)


class OneShare:
    """Lists one share."""

    def find(self, name: str) -> Instrument | None:
        return Instrument(name=name, lot_size=1) if name == "NSE:SBIN" else None

    def has_derivatives(self, underlying: str) -> bool | None:
        return None


def a_fanout(limits: Mapping[str, Limits], standings: Standings | None = None) -> Fanout:
    return Fanout(
        manifest=registry.manifest(registry.BROKERS[0]),
        instruments=OneShare(),
        partitions=4,
        standings=standings or Standings(now=lambda: NOON, lasts_s=1),
        mint_order_id=lambda: "order",
        mint_tag=lambda: "tag",
        account_limits=limits,
    )


def entries(fanout: Fanout, *follows: Follow, signal: Signal | None = None) -> list[PlannedOrder]:
    accounts = {of.account_id: an_account(account_id=of.account_id) for of in follows}
    return fanout.entries(signal or a_signal(), follows, accounts, at=NOON)


def test_an_entry_over_the_accounts_limit_is_left_out_and_says_whose_it_was() -> None:
    fanout = a_fanout({"account-1": Limits(order_value_max=Decimal(5000))})

    [order] = entries(fanout, a_follow())

    assert order.shape.reason == SkipReason.ORDER_VALUE
    assert "is over your account's" in order.shape.message
    assert "5,000.00 limit per order." in order.shape.message


@pytest.mark.parametrize(
    ("of_follow", "of_account", "reason"),
    [
        (Limits(order_quantity_max=5), Limits(order_value_max=Decimal(1)), "ORDER_QUANTITY"),
        (Limits(order_value_max=Decimal(1)), Limits(order_quantity_max=5), "ORDER_VALUE"),
        (Limits(order_quantity_max=50), Limits(order_value_max=Decimal(1)), "ORDER_VALUE"),
        (Limits(order_quantity_max=50), Limits(order_quantity_max=50), None),
    ],
)
def test_the_follows_limits_are_asked_before_the_accounts(
    of_follow: Limits, of_account: Limits, reason: str | None
) -> None:
    [order] = entries(a_fanout({"account-1": of_account}), a_follow(limits=of_follow))

    assert order.shape.reason == reason


def test_equal_follows_of_differently_limited_accounts_get_answers_of_their_own() -> None:
    follows = [a_follow(follow_id=f"f{n}", account_id=f"account-{n}") for n in range(4)]
    fanout = a_fanout(
        {
            "account-1": Limits(order_quantity_max=5),
            "account-2": Limits(order_quantity_max=50),
            "account-3": Limits(order_value_max=Decimal(1)),
        }
    )

    orders = entries(fanout, *follows)

    reasons = [order.shape.reason for order in orders]
    assert reasons == [None, "ORDER_QUANTITY", None, "ORDER_VALUE"]
    assert orders[0].shape is orders[2].shape


def test_an_account_counts_what_all_its_follows_did() -> None:
    standings = Standings(now=lambda: NOON, lasts_s=1)
    standings.load(["account-1"], {}, trading_day(NOON))
    fanout = a_fanout({"account-1": Limits(orders_per_day_max=1)}, standings)
    other = a_follow(follow_id="f2", strategy_id="strategy-2")

    [first] = entries(fanout, a_follow())
    standings.note("strategy-1", [first])
    [second] = entries(fanout, other, signal=a_signal(strategy_id="strategy-2"))

    assert first.shape.reason is None
    assert (
        second.shape.message
        == "After 1 order today, 1 more is over your account's limit of 1 per day."
    )


def changed(limits: Limits, quantity: int) -> list[OrderTerms] | Refusal:
    entry, follow = a_signal(), a_follow()
    fanout = a_fanout({"account-1": limits})
    [placed] = entries(fanout, follow, signal=entry)
    leg = _Leg(placed)
    signal = a_signal(
        action=SignalAction.MODIFY, side=None, product=None, terms=some_terms(quantity=quantity)
    )
    return fanout.changed(signal, follow, [leg], at=NOON)


class _Leg:
    """A planned order as one that is at work."""

    def __init__(self, order: PlannedOrder) -> None:
        shape = order.shape
        self.side, self.product, self.validity = shape.side, shape.product, shape.signal.validity
        self.environment, self.quantity = shape.environment, shape.terms.quantity
        self.changes = 0
        self.closes = False


def test_a_change_keeps_to_the_accounts_limits_too() -> None:
    refusal = changed(Limits(order_quantity_max=20), 21)

    assert isinstance(refusal, Refusal)
    assert sentence(*refusal) == "21 shares is over your account's limit of 20 per order."
    assert changed(Limits(order_quantity_max=20), 20) == [some_terms(quantity=20)]


@pytest.mark.parametrize(
    ("limits", "terms", "expected"),
    [
        (NO_LIMITS, MARKET, False),
        (Limits(order_value_max=Decimal(1000)), MARKET, True),
        (Limits(order_value_max=Decimal(1000)), some_terms(), False),
        (Limits(price_distance_bps_max=50), some_terms(), True),
        (Limits(order_quantity_max=5), MARKET, False),
    ],
)
def test_a_price_is_asked_for_where_the_account_needs_it(
    limits: Limits, terms: OrderTerms, *, expected: bool
) -> None:
    fanout = a_fanout({"account-1": limits})
    plain = replace(fanout, manifest=replace(fanout.manifest, protection=None))

    assert plain.asks_price(a_signal(terms=terms), [a_follow()]) is expected


def stored(version: int, **limits: object) -> AccountLimits:
    return AccountLimits(
        account_id="account-1",
        broker="fyers",
        limits=Limits(**limits),  # type: ignore[arg-type]  # named fields
        version=version,
    )


def loaded() -> Followers:
    followers = Followers("fyers", 4)
    followers.take([SHARD], [], [an_account()], {}, [stored(2, order_quantity_max=5)])
    return followers


def test_the_newest_limits_stand_and_empty_ones_are_none() -> None:
    followers = loaded()

    assert not followers.learn_limits(stored(1, order_quantity_max=1))
    assert not followers.learn_limits(stored(2, order_quantity_max=1))
    assert followers.limits == {"account-1": Limits(order_quantity_max=5)}
    assert followers.learn_limits(stored(3))
    assert followers.limits == {}
    assert not followers.learn_limits(stored(2, order_quantity_max=5))


def test_equal_limits_are_one_object_so_that_their_followers_share_a_decision() -> None:
    followers = loaded()
    other = next(
        id_ for n in range(99) if shard_of(id_ := f"x{n}", 4) == SHARD and id_ != "account-1"
    )

    followers.learn_limits(replace(stored(1, order_quantity_max=5), account_id=other))

    assert followers.limits[other] is followers.limits["account-1"]


def test_limits_of_other_shards_and_brokers_fall_away_and_lost_shards_leave_none_behind() -> None:
    followers = loaded()
    elsewhere = next(id_ for n in range(99) if shard_of(id_ := f"x{n}", 4) != SHARD)

    assert not followers.learn_limits(replace(stored(9), account_id=elsewhere))
    assert not followers.learn_limits(replace(stored(9), broker="other"))
    followers.drop([SHARD])
    assert followers.limits == {}
    assert not followers.learn_limits(stored(9))
    followers.take([SHARD], [], [], {}, [stored(2, order_quantity_max=5)])
    assert followers.limits == {"account-1": Limits(order_quantity_max=5)}
