"""What proves that orders of an account may be sent live: kinds, what must agree, and the flow.

The rule what a live order needs is libs/trading/lawful.py; this records the evidence for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import structlog

from libs.brokers.manifest import BrokerManifest
from libs.runtime.problems import Problem
from libs.trading.accounts import Account, Environment, Regime
from libs.trading.lawful import lacking
from libs.trading.reasons import SkipReason
from services.auth.actors import Actor

log = structlog.get_logger()

# Orders leave from the address that the evidence of these names.
_ONE_ADDRESS = frozenset({Regime.SELF.value, Regime.FAMILY.value})


class Kind(StrEnum):
    REGIME = "REGIME"
    EGRESS = "EGRESS"
    ALGO_ID = "ALGO_ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody records. `value` is the regime, the egress profile or the algo id.

    `strategy_id` is for an algo id of one strategy alone. `reference` says where the paper is.
    """

    kind: Kind
    value: str
    reference: str
    details: dict[str, str]
    strategy_id: str | None = None
    valid_until: datetime | None = None

    @property
    def place(self) -> tuple[Kind, str | None]:
        """Where it stands: one at a time, the new closes the old."""
        return self.kind, self.strategy_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A claim as it was recorded. `closed_as` None: it stands until `valid_until`."""

    evidence_id: str
    claim: Claim
    recorded_by: str
    recorded_at: datetime
    closed_at: datetime | None = None
    closed_as: str | None = None
    closed_by: str | None = None
    closed_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An account with its evidence, newest first, and what it lacks for live orders."""

    account: Account
    evidence: Sequence[Evidence]
    lacking: Sequence[SkipReason]


class Papers(Protocol):
    async def account(self, account_id: str) -> Account | None: ...

    async def history(self, account_id: str) -> list[Evidence]: ...

    async def standing(self, account_id: str) -> list[Evidence]: ...

    async def record(
        self,
        account_id: str,
        claim: Claim,
        actor: Actor,
        check: Callable[[Sequence[Evidence], bool], None],
    ) -> Evidence | None:
        """Close what stood there and write this; what stands and says the same stays as it is.

        `check` sees what stands, with the account locked, and whether the address of a SELF regime
        is another person's. None for an account nobody knows.
        """

    async def withdraw(
        self, account_id: str, evidence_id: str, reason: str, actor: Actor
    ) -> Evidence | None:
        """Close what stands. None when there is no such evidence; closed stays as it was closed."""

    async def close_run_out(self) -> list[Account]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFlow:
    papers: Papers
    manifest_of: Callable[[str], BrokerManifest]
    wake_outbox: Callable[[], None]

    async def shown(self, account_id: str) -> Shown:
        account = await self._account(account_id)
        standing = await self.papers.standing(account_id)
        return Shown(
            account=account,
            evidence=await self.papers.history(account_id),
            lacking=list(lacking(as_live(account, standing))),
        )

    async def record(self, account_id: str, claim: Claim, actor: Actor) -> Evidence:
        account = await self._account(account_id)
        if claim.kind is Kind.REGIME:
            check_regime(Regime(claim.value), self.manifest_of(account.broker))

        def check(standing: Sequence[Evidence], is_anothers: bool) -> None:
            if is_anothers:
                raise address_taken()
            check_address(claim, [known.claim for known in standing])

        recorded = await self.papers.record(account_id, claim, actor, check)
        if recorded is None:
            raise _no_account()
        self.wake_outbox()
        log.info("evidence_recorded", account_id=account_id, kind=claim.kind, value=claim.value)
        return recorded

    async def withdraw(
        self, account_id: str, evidence_id: str, reason: str, actor: Actor
    ) -> Evidence:
        closed = await self.papers.withdraw(account_id, evidence_id, reason, actor)
        if closed is None:
            message = "This account has no such evidence: GET …/evidence lists what it has."
            raise Problem(404, "NOT_FOUND", message, field="evidence_id")
        self.wake_outbox()
        log.warning("evidence_withdrawn", account_id=account_id, evidence_id=evidence_id)
        return closed

    async def close_run_out(self) -> int:
        """Close what has run out. Entries were stopped at that moment already, by the clock."""
        accounts = await self.papers.close_run_out()
        for account in accounts:
            log.warning("evidence_ran_out", account_id=account.account_id)
        if accounts:
            self.wake_outbox()
        return len(accounts)

    async def _account(self, account_id: str) -> Account:
        account = await self.papers.account(account_id)
        if account is None:
            raise _no_account()
        return account


def as_live(account: Account, standing: Sequence[Evidence]) -> Account:
    """Show an account as it would be live: a paper account shows none of its evidence."""
    claims = [known.claim for known in standing]
    by_place = {claim.place: claim.value for claim in claims}
    return replace(
        account,
        environment=Environment.LIVE,
        regime=Regime(by_place.get((Kind.REGIME, None), Regime.PAPER)),
        egress=by_place.get((Kind.EGRESS, None)),
        algo_id=by_place.get((Kind.ALGO_ID, None)),
        strategy_algo_ids={
            claim.strategy_id: claim.value for claim in claims if claim.strategy_id is not None
        },
    )


def check_regime(regime: Regime, manifest: BrokerManifest) -> None:
    """Raise `Problem` where the broker and the regime disagree about who sends the order."""
    if (regime is Regime.USER_APPROVED) is not manifest.unattended_orders:
        return
    fix = (
        "takes orders without their owner: record SELF, FAMILY or EMPANELLED"
        if manifest.unattended_orders
        else "has each order approved by its owner: record USER_APPROVED"
    )
    raise Problem(422, "INVALID", f"regime: {manifest.title} {fix}", field="regime")


def check_address(claim: Claim, standing: Sequence[Claim]) -> None:
    """Raise `Problem` (409) when an own or family address is not the one that orders leave from."""
    known = {other.place: other for other in standing} | {claim.place: claim}
    regime, egress = known.get((Kind.REGIME, None)), known.get((Kind.EGRESS, None))
    if regime is None or egress is None or claim.kind is Kind.ALGO_ID:
        return
    if regime.value not in _ONE_ADDRESS or regime.details["address"] == egress.details["address"]:
        return
    other = "regime" if claim.kind is Kind.EGRESS else "egress"
    address = known[Kind(other.upper()), None].details["address"]
    raise Problem(
        409,
        "ADDRESS_DIFFERS",
        f"address: the {other} of this account is recorded with {address}, and {regime.value} "
        f"orders leave from one address. Correct it here, or withdraw the {other} first.",
        field="address",
        data={"address": address},
    )


def address_taken() -> Problem:
    """One registered address is one client's; relatives share theirs under FAMILY."""
    return Problem(
        409,
        "ADDRESS_TAKEN",
        "address: another person's account is recorded with it under SELF. Record the owner's own "
        "address, or FAMILY on both accounts if they are relatives and share it.",
        field="address",
    )


def _no_account() -> Problem:
    message = "No such account was ever connected. GET /orders shows the ids of accounts."
    return Problem(404, "NOT_FOUND", message, field="account_id")
