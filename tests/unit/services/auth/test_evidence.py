"""What must agree before evidence is recorded."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from libs.brokers import registry
from libs.runtime.problems import Problem
from libs.trading.accounts import Regime
from services.auth.evidence import Claim, Evidence, Kind, as_live, check_address, check_regime
from tests.factories import an_account

UNATTENDED = replace(registry.manifest(registry.BROKERS[0]), unattended_orders=True)
BY_HAND = replace(UNATTENDED, unattended_orders=False)
HOME, OFFICE = {"address": "49.36.10.7"}, {"address": "49.36.10.8"}
BY_SOFTWARE = (Regime.SELF, Regime.FAMILY, Regime.EMPANELLED)


def a_claim(kind: Kind, value: str, details: dict[str, str], strategy: str | None = None) -> Claim:
    return Claim(kind=kind, value=value, reference="letter", details=details, strategy_id=strategy)


def recorded(claim: Claim) -> Evidence:
    return Evidence(
        evidence_id="e", claim=claim, recorded_by="operator", recorded_at=datetime.now(UTC)
    )


@pytest.mark.parametrize("regime", BY_SOFTWARE)
def test_software_sends_where_the_broker_takes_orders_without_their_owner(regime: Regime) -> None:
    check_regime(regime, UNATTENDED)
    with pytest.raises(Problem, match="record USER_APPROVED"):
        check_regime(regime, BY_HAND)


def test_owners_approve_where_the_broker_asks_them() -> None:
    check_regime(Regime.USER_APPROVED, BY_HAND)
    with pytest.raises(Problem, match="record SELF, FAMILY or EMPANELLED"):
        check_regime(Regime.USER_APPROVED, UNATTENDED)


@pytest.mark.parametrize("regime", ["SELF", "FAMILY"])
def test_the_way_out_is_the_registered_address_whichever_comes_first(regime: str) -> None:
    at_home, from_office = (
        a_claim(Kind.REGIME, regime, HOME),
        a_claim(Kind.EGRESS, "office", OFFICE),
    )

    for claim, standing in ((at_home, from_office), (from_office, at_home)):
        with pytest.raises(Problem, match=standing.details["address"]):
            check_address(claim, [standing])
    check_address(a_claim(Kind.EGRESS, "home", HOME), [at_home])


def test_a_provider_and_an_algo_id_have_no_address_of_the_owner() -> None:
    from_office = a_claim(Kind.EGRESS, "office", OFFICE)
    provider = a_claim(Kind.REGIME, "EMPANELLED", {"host": "rack", "provider_id": "AP-1"})

    check_address(from_office, [provider])
    check_address(provider, [from_office])
    check_address(a_claim(Kind.ALGO_ID, "77", {}), [from_office])


def test_a_paper_account_is_shown_as_it_would_be_live() -> None:
    standing = [
        recorded(a_claim(Kind.REGIME, "SELF", HOME)),
        recorded(a_claim(Kind.ALGO_ID, "78", {}, "strategy-1")),
    ]

    live = as_live(an_account(), standing)

    assert (live.regime, live.egress, live.algo_id) == (Regime.SELF, None, None)
    assert live.strategy_algo_ids == {"strategy-1": "78"}
