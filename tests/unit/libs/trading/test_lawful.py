"""What a live order needs, each thing taken away alone."""

from typing import Any

import pytest

from libs.trading.accounts import Account, Environment, Regime
from libs.trading.lawful import lacking, missing_for_entry, missing_for_exit
from libs.trading.reasons import SkipReason
from tests.factories import an_account

BY_SOFTWARE = (Regime.SELF, Regime.FAMILY, Regime.EMPANELLED)
STRATEGY = "strategy-1"


def a_live_account(**changes: Any) -> Account:
    values: dict[str, Any] = {
        "environment": Environment.LIVE,
        "regime": Regime.SELF,
        "egress": "mumbai-1",
        "algo_id": "77",
        "consent_version": 3,
    }
    return an_account(**values | changes)


def test_paper_needs_nothing() -> None:
    assert missing_for_entry(an_account(), STRATEGY) is None
    assert missing_for_exit(an_account()) is None


@pytest.mark.parametrize("regime", BY_SOFTWARE)
def test_a_live_account_with_everything_lacks_nothing(regime: Regime) -> None:
    account = a_live_account(regime=regime)

    assert missing_for_entry(account, STRATEGY) is None
    assert missing_for_exit(account) is None


@pytest.mark.parametrize(
    ("change", "entry", "leaving"),
    [
        ({"consent_version": None}, SkipReason.NO_CONSENT, SkipReason.NO_CONSENT),
        ({"regime": Regime.PAPER}, SkipReason.NO_REGIME, None),
        ({"egress": None}, SkipReason.NO_EGRESS, SkipReason.NO_EGRESS),
        ({"algo_id": None}, SkipReason.NO_ALGO_ID, None),
    ],
)
def test_an_entry_needs_all_of_it_an_exit_the_owners_will_and_a_way(
    change: dict[str, Any], entry: SkipReason, leaving: SkipReason | None
) -> None:
    account = a_live_account(**change)

    assert missing_for_entry(account, STRATEGY) is entry
    assert missing_for_exit(account) is leaving


def test_who_approves_each_order_needs_no_way_of_ours_and_no_algo_id() -> None:
    account = a_live_account(regime=Regime.USER_APPROVED, egress=None, algo_id=None)

    assert missing_for_entry(account, STRATEGY) is None
    assert missing_for_exit(account) is None
    assert list(lacking(a_live_account(regime=Regime.USER_APPROVED, consent_version=None))) == [
        SkipReason.NO_CONSENT
    ]


def test_a_strategys_own_algo_id_goes_before_the_accounts() -> None:
    account = a_live_account(algo_id="77", strategy_algo_ids={STRATEGY: "78"})

    assert (account.algo_id_of(STRATEGY), account.algo_id_of("another")) == ("78", "77")


def test_a_strategys_own_algo_id_is_no_other_strategys() -> None:
    account = a_live_account(algo_id=None, strategy_algo_ids={STRATEGY: "78"})

    assert missing_for_entry(account, STRATEGY) is None
    assert missing_for_entry(account, "another") is SkipReason.NO_ALGO_ID


def test_all_that_lacks_is_told_at_once_in_one_order() -> None:
    bare = a_live_account(consent_version=None, regime=Regime.PAPER, egress=None, algo_id=None)

    assert list(lacking(bare)) == [
        SkipReason.NO_CONSENT,
        SkipReason.NO_REGIME,
        SkipReason.NO_EGRESS,
        SkipReason.NO_ALGO_ID,
    ]
