"""Planning asks what the law asks of a live account: entries all of it, exits what they need."""

import itertools
from typing import Any

import pytest

from libs.brokers import registry
from libs.trading.accounts import Account, Environment, Regime
from libs.trading.instruments import Instrument
from libs.trading.reasons import SKIP_SENTENCES, SkipReason
from libs.trading.signals import Signal, SignalAction
from services.executor.exits import Opened
from services.executor.fanout import Fanout
from services.executor.rows import PlannedOrder
from services.executor.standings import Standings
from tests.factories import NOON, a_follow, a_signal, an_account

WITH_ALL: dict[str, Any] = {
    "environment": Environment.LIVE,
    "regime": Regime.SELF,
    "egress": "mumbai-1",
    "algo_id": "770001",
    "consent_version": 1,
}
LOSSES = [
    ({"consent_version": None}, SkipReason.NO_CONSENT, SkipReason.NO_CONSENT),
    ({"regime": Regime.PAPER}, SkipReason.NO_REGIME, None),
    ({"egress": None}, SkipReason.NO_EGRESS, SkipReason.NO_EGRESS),
    ({"algo_id": None}, SkipReason.NO_ALGO_ID, None),
]


class OneShare:
    def find(self, name: str) -> Instrument | None:
        return Instrument(name=name, lot_size=1)

    def has_derivatives(self, underlying: str) -> bool | None:
        return None


def a_fanout() -> Fanout:
    numbers = itertools.count()
    return Fanout(
        manifest=registry.manifest(registry.BROKERS[0]),
        instruments=OneShare(),
        partitions=4,
        standings=Standings(now=lambda: NOON, lasts_s=1),
        mint_order_id=lambda: f"o{next(numbers)}",
        mint_tag=lambda: f"t{next(numbers)}",
    )


def entry(account: Account, signal: Signal | None = None) -> PlannedOrder:
    known = {account.account_id: account}
    [order] = a_fanout().entries(signal or a_signal(), [a_follow()], known, at=NOON)
    return order


def leaving(account: Account) -> PlannedOrder:
    signal = a_signal(action=SignalAction.EXIT, side=None)
    opened = Opened(account_id=account.account_id, net_quantity=6, closing=0)
    known = {account.account_id: account}
    [order] = a_fanout().exits(signal, [a_follow()], known, {account.account_id: opened})
    return order


def test_a_live_account_with_everything_is_copied_to() -> None:
    account = an_account(**WITH_ALL)

    assert entry(account).shape.state == leaving(account).shape.state == "PLANNED"
    assert entry(account).shape.algo_id == "770001"


@pytest.mark.parametrize(("loss", "reason", "_"), LOSSES)
def test_an_entry_without_it_is_skipped_with_its_reason(
    loss: dict[str, Any], reason: SkipReason, _: SkipReason | None
) -> None:
    order = entry(an_account(**WITH_ALL | loss))

    assert (order.shape.state, order.shape.reason) == ("SKIPPED", reason)
    assert order.shape.message == SKIP_SENTENCES[reason]


@pytest.mark.parametrize(("loss", "_", "reason"), LOSSES)
def test_an_exit_goes_without_papers_but_not_without_consent_or_a_way(
    loss: dict[str, Any], _: SkipReason, reason: SkipReason | None
) -> None:
    order = leaving(an_account(**WITH_ALL | loss))

    expected = ("SKIPPED", reason) if reason else ("PLANNED", None)
    assert (order.shape.state, order.shape.reason) == expected


def test_an_order_carries_the_algo_id_of_its_strategy() -> None:
    own = {a_signal().strategy_id: "770002"}
    account = an_account(**WITH_ALL | {"strategy_algo_ids": own})

    assert entry(account).shape.algo_id == "770002"
    assert entry(account, a_signal(strategy_id="another")).shape.algo_id == "770001"


def test_a_paper_account_needs_none_of_it() -> None:
    assert entry(an_account()).shape.state == "PLANNED"
