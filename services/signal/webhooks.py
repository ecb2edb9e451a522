"""From an alert at a webhook to signals of its master: known, in time, signed, read, accepted."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NoReturn, Protocol
from uuid import UUID

import structlog

from libs.runtime.problems import Problem
from libs.trading.signals import Signal
from services.signal import webhooks_refusals as refusals
from services.signal.alerts import AlertFormat, AlertRefused, Entry, entries_of, moment_of
from services.signal.alerts_mapping import MappingBody
from services.signal.proposal import Proposal
from services.signal.replay import SignalRequest
from services.signal.webhooks_pace import Pace
from services.signal.webhooks_secrets import hash_of, signature_fits

log = structlog.get_logger()

ALERT_BYTES_MAX = 64 * 1024
_TRY_AGAIN = 503
_OVER_AT_ONCE = timedelta(milliseconds=1)
_NOBODY = str(UUID(int=0))
_PROBLEM_CHARACTERS_MAX = 500


class WebhookGone(Exception):
    """It was deleted while its alert was on its way."""


class Outcome(StrEnum):
    """What became of a delivery. Only the first three made or met signals."""

    ACCEPTED = "ACCEPTED"
    PARTLY_ACCEPTED = "PARTLY_ACCEPTED"
    REPEATED = "REPEATED"
    REFUSED = "REFUSED"
    OUT_OF_TIME = "OUT_OF_TIME"
    UNSIGNED = "UNSIGNED"
    TOO_LARGE = "TOO_LARGE"
    TOO_MANY = "TOO_MANY"
    NOT_NOW = "NOT_NOW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    webhook_id: str
    strategy_id: str
    master_id: str
    name: str
    format: AlertFormat
    mapping: MappingBody
    replay_window_s: int
    signature_header: str | None
    sealed_signing_key: str | None = field(repr=False)
    created_at: datetime
    changed_at: datetime
    rotated_at: datetime

    @property
    def remembered_s(self) -> int:
        """How long the same body is the same alert.

        With a moment in the body, as long as that moment may still come: from the window before
        it to the window and a minute after.
        """
        return self.replay_window_s * 2 + 60 if self.mapping.alerted_at else self.replay_window_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """When this body came first, on the database's clock, and the moment now."""

    first_at: datetime
    at: datetime

    @property
    def repeated(self) -> bool:
        return self.first_at < self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One line of what a master is shown."""

    outcome: Outcome
    signal_ids: Sequence[str] = ()
    refused: int = 0
    problem: str = ""


class Book(Protocol):
    async def secret_hashes(self, strategy_id: str) -> list[tuple[str, bytes]]: ...

    async def webhook(self, webhook_id: str) -> Webhook | None: ...

    async def seen(self, webhook_id: str, body_hash: bytes, remembered_s: int) -> Sighting:
        """Say when this body came first. Raise `WebhookGone`."""
        ...

    async def write_delivery(self, webhook_id: str, delivery: Delivery) -> None: ...


class Signals(Protocol):
    async def accept(self, request: SignalRequest) -> Signal: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFlow:
    book: Book
    signals: Signals
    pace: Pace

    async def find(self, strategy_id: str, secret: str) -> Webhook:
        """Find whose secret this is. Raise the same `Problem` whatever is wrong."""
        given, known = hash_of(secret), None
        # Every one is compared, the last as long as the first.
        for webhook_id, secret_hash in await self.book.secret_hashes(_uuid_of(strategy_id)):
            if hmac.compare_digest(secret_hash, given):
                known = webhook_id
        webhook = await self.book.webhook(known) if known else None
        if webhook is None:
            raise refusals.address_unknown()
        return webhook

    async def admit(self, webhook: Webhook) -> None:
        """Raise `Problem` when this webhook sends too much. Before its body is read."""
        if self.pace.takes(webhook.webhook_id):
            return
        problem = refusals.too_many_alerts()
        if self.pace.first_refusal(webhook.webhook_id):
            await self._note(webhook, Outcome.TOO_MANY, problem.message)
        raise problem

    async def refuse_size(self, webhook: Webhook) -> NoReturn:
        problem = refusals.alert_too_large(ALERT_BYTES_MAX)
        await self._note(webhook, Outcome.TOO_LARGE, problem.message)
        raise problem

    async def deliver(
        self, webhook: Webhook, body: bytes, *, secret: str, signature: str | None
    ) -> Delivery:
        """Make an alert's signals, each once however often it comes. Raise `Problem`."""
        if not _signed(webhook, body, secret, signature):
            problem = refusals.alert_unsigned()
            await self._note(webhook, Outcome.UNSIGNED, problem.message)
            raise problem
        try:
            entries = entries_of(webhook.format, body, secret=secret)
        except AlertRefused as error:
            await self._note(webhook, Outcome.REFUSED, str(error))
            raise refusals.alert_refused(str(error)) from error
        body_hash = hashlib.sha256(body).digest()
        try:
            sighting = await self.book.seen(webhook.webhook_id, body_hash, webhook.remembered_s)
        except WebhookGone as error:
            raise refusals.address_unknown() from error
        at = await self._moment(webhook, entries[0], sighting.at)
        return await self._accepted(webhook, entries, at, body_hash, sighting)

    async def _moment(self, webhook: Webhook, entry: Entry, now: datetime) -> datetime | None:
        """Tell when the alert was made, if it says so to the second. Refuse it out of its time."""
        source = webhook.mapping.alerted_at
        if source is None:
            return None
        try:
            moment = moment_of(source.value("alerted_at", entry), now)
        except AlertRefused as error:
            await self._note(webhook, Outcome.REFUSED, str(error))
            raise refusals.alert_refused(str(error)) from error
        if not moment.within(webhook.replay_window_s, now):
            problem = refusals.alert_out_of_time(webhook.replay_window_s)
            await self._note(webhook, Outcome.OUT_OF_TIME, problem.message)
            raise problem
        return moment.instant

    async def _accepted(
        self,
        webhook: Webhook,
        entries: Sequence[Entry],
        at: datetime | None,
        body_hash: bytes,
        sighting: Sighting,
    ) -> Delivery:
        signal_ids: list[str] = []
        problems: list[str] = []
        notes: set[str] = set()
        # Named after the first time it came: a repetition after a crash completes what was begun.
        stem = f"webhook:{webhook.webhook_id}:{body_hash.hex()}:{sighting.first_at.isoformat()}"
        for number, entry in enumerate(entries):
            try:
                proposal = webhook.mapping.proposal(webhook.strategy_id, entry, at=at)
                request = _request(webhook, proposal, f"{stem}:{number}", body_hash)
                signal = await self.signals.accept(request)
                signal_ids.append(signal.signal_id)
                notes |= _lateness(signal)
            except AlertRefused as error:
                problems.append(_named(entry, str(error)))
            except Problem as problem:
                if problem.status == _TRY_AGAIN:
                    await self._note(webhook, Outcome.NOT_NOW, problem.message, signal_ids)
                    raise
                problems.append(_named(entry, problem.message))
        words = "; ".join([*problems, *notes])
        if not signal_ids:
            await self._note(webhook, Outcome.REFUSED, words, refused=len(problems))
            raise refusals.alert_refused(words[:_PROBLEM_CHARACTERS_MAX])
        outcome = Outcome.PARTLY_ACCEPTED if problems else Outcome.ACCEPTED
        if sighting.repeated and not problems:
            outcome = Outcome.REPEATED
        return await self._note(webhook, outcome, words, signal_ids, refused=len(problems))

    async def _note(
        self,
        webhook: Webhook,
        outcome: Outcome,
        problem: str,
        signal_ids: Sequence[str] = (),
        refused: int = 0,
    ) -> Delivery:
        delivery = Delivery(
            outcome=outcome,
            signal_ids=tuple(signal_ids),
            refused=refused,
            problem=problem[:_PROBLEM_CHARACTERS_MAX],
        )
        await self.book.write_delivery(webhook.webhook_id, delivery)
        log.info(
            "alert_delivered",
            webhook_id=webhook.webhook_id,
            outcome=outcome.value,
            signals=len(signal_ids),
            refused=refused,
        )
        return delivery


def _uuid_of(text: str) -> str:
    """Take what is no id at all for one that nobody has, so that both are answered alike."""
    try:
        return str(UUID(text))
    except ValueError:
        return _NOBODY


def _signed(webhook: Webhook, body: bytes, secret: str, signature: str | None) -> bool:
    if webhook.sealed_signing_key is None:
        return True
    return signature is not None and signature_fits(
        signature, body, sealed_key=webhook.sealed_signing_key, secret=secret
    )


def _request(webhook: Webhook, proposal: Proposal, key: str, body_hash: bytes) -> SignalRequest:
    return SignalRequest(
        master_id=webhook.master_id,
        proposal=proposal,
        idempotency_key=key,
        request_hash=body_hash,
    )


def _lateness(signal: Signal) -> set[str]:
    """Say that a signal was over when it was accepted: it has an expiry, and nobody meets it."""
    lives = signal.expires_at - signal.stamps.accepted_at
    return {"the alert came too late to enter anything"} if lives < _OVER_AT_ONCE else set()


def _named(entry: Entry, problem: str) -> str:
    """Say which of several stocks the problem is about."""
    return f"{entry['stock']}: {problem}" if "stock" in entry else problem
