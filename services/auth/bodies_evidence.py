"""The evidence for live orders over HTTP: what operators send and what they are shown."""

import ipaddress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

from libs.trading.accounts import Regime
from libs.trading.lawful import missing_for_entry
from libs.trading.reasons import SKIP_SENTENCES, SkipReason
from services.auth.bodies import Line
from services.auth.copies import instant
from services.auth.evidence import Claim, Evidence, Kind, Shown


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("must be one address as the broker registered it, as 49.36.10.7") from None
    if not address.is_global:
        raise ValueError("must be a public address: the broker sees no other one")
    return str(address)


def _to_come(at: datetime) -> datetime:
    if at <= datetime.now(UTC):
        raise ValueError("must lie ahead, as 2027-03-31T18:30:00Z: what has run out proves nothing")
    return at


Address = Annotated[str, StringConstraints(max_length=45), AfterValidator(_address)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
ToCome = Annotated[AwareDatetime, AfterValidator(_to_come)]


class _Body(BaseModel):
    """`reference` says where the paper is; without `valid_until` it stands until withdrawn."""

    model_config = ConfigDict(extra="forbid")

    reference: Line
    valid_until: ToCome | None = None

    def _claim(self, kind: Kind, value: str, details: dict[str, str]) -> Claim:
        return Claim(
            kind=kind,
            value=value,
            reference=self.reference,
            details=details,
            valid_until=self.valid_until,
        )


class SelfBody(_Body):
    """The owner's own software: `address` is the static one registered to the owner."""

    regime: Literal["SELF"]
    address: Address

    def claim(self) -> Claim:
        return self._claim(Kind.REGIME, Regime.SELF, {"address": self.address})


class FamilyBody(_Body):
    """Run by a relative: `address` is the one they share, `reference` the proof of the relation."""

    regime: Literal["FAMILY"]
    relation: Literal["SPOUSE", "DEPENDENT_CHILD", "DEPENDENT_PARENT"]
    address: Address

    def claim(self) -> Claim:
        details = {"relation": self.relation, "address": self.address}
        return self._claim(Kind.REGIME, Regime.FAMILY, details)


class EmpanelledBody(_Body):
    """Run by an algo provider that the exchanges empanelled, on the broker's `host`."""

    regime: Literal["EMPANELLED"]
    host: Line
    provider_id: Name

    def claim(self) -> Claim:
        details = {"host": self.host, "provider_id": self.provider_id}
        return self._claim(Kind.REGIME, Regime.EMPANELLED, details)


class UserApprovedBody(_Body):
    """The owner approves each order at the broker, and it leaves from there."""

    regime: Literal["USER_APPROVED"]

    def claim(self) -> Claim:
        return self._claim(Kind.REGIME, Regime.USER_APPROVED, {})


RegimeBody = Annotated[
    SelfBody | FamilyBody | EmpanelledBody | UserApprovedBody, Field(discriminator="regime")
]


class EgressBody(_Body):
    """`profile` names the executor's way out, `address` is the one the broker registered for it."""

    profile: Name
    address: Address

    def claim(self) -> Claim:
        return self._claim(Kind.EGRESS, self.profile, {"address": self.address})


class AlgoIdBody(_Body):
    """The id that orders carry, as the exchange gave it."""

    algo_id: Name
    algo_name: Line

    def claim(self, strategy_id: str | None) -> Claim:
        claim = self._claim(Kind.ALGO_ID, self.algo_id, {"algo_name": self.algo_name})
        return replace(claim, strategy_id=strategy_id)


class EvidenceAnswer(BaseModel):
    """`value` is the regime, the egress profile or the algo id. Open until `closed_at` is set."""

    evidence_id: str
    kind: Kind
    strategy_id: str | None
    value: str
    details: dict[str, str]
    reference: str
    recorded_by: str
    recorded_at: str
    valid_until: str | None
    closed_at: str | None
    closed_as: Literal["REPLACED", "WITHDRAWN", "RAN_OUT"] | None
    closed_by: str | None
    closed_reason: str


class Lacking(BaseModel):
    reason: SkipReason
    sentence: str


class AccountEvidence(BaseModel):
    """`lacking` is all that live entries of this account lack, also while it is a paper account.

    `stopped` is why its entries are skipped now; paper needs none of it.
    """

    account_id: str
    environment: Literal["PAPER", "LIVE"]
    stopped: SkipReason | None
    lacking: list[Lacking]
    evidence: list[EvidenceAnswer]


def evidence_answer(known: Evidence) -> EvidenceAnswer:
    claim = known.claim
    return EvidenceAnswer.model_validate(
        {
            "evidence_id": known.evidence_id,
            "kind": claim.kind,
            "strategy_id": claim.strategy_id,
            "value": claim.value,
            "details": claim.details,
            "reference": claim.reference,
            "recorded_by": known.recorded_by,
            "recorded_at": instant(known.recorded_at),
            "valid_until": _instant(claim.valid_until),
            "closed_at": _instant(known.closed_at),
            "closed_as": known.closed_as,
            "closed_by": known.closed_by,
            "closed_reason": known.closed_reason,
        }
    )


def account_evidence(shown: Shown) -> AccountEvidence:
    return AccountEvidence.model_validate(
        {
            "account_id": shown.account.account_id,
            "environment": shown.account.environment,
            "stopped": missing_for_entry(shown.account),
            "lacking": [
                {"reason": reason, "sentence": SKIP_SENTENCES[reason]} for reason in shown.lacking
            ],
            "evidence": [evidence_answer(known) for known in shown.evidence],
        }
    )


def _instant(at: datetime | None) -> str | None:
    return instant(at) if at else None
