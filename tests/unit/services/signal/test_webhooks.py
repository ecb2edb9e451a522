"""What happens to one alert: known, in time, signed, read, accepted, written down."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from libs.runtime.problems import Problem
from libs.trading.signals import Signal, SignalAction
from services.signal.alerts import AlertFormat
from services.signal.alerts_mapping import MappingBody
from services.signal.refusals import backlog_full
from services.signal.replay import SignalRequest
from services.signal.webhooks import Delivery, Outcome, Sighting, Webhook, WebhookFlow
from services.signal.webhooks_pace import Pace
from services.signal.webhooks_secrets import hash_of, new_secret, new_signing_key, sealed
from tests.factories import NOON, a_signal

STRATEGY = "01980000-0000-7000-8000-000000000001"
SECRET = new_secret()
SIGNING_KEY = new_signing_key()
MAPPING: dict[str, Any] = {
    "instrument": {"field": "ticker"},
    "side": {"field": "side"},
    "product": {"constant": "INTRADAY"},
    "quantity": {"constant": "10"},
}
SCANNED = MAPPING | {
    "instrument": {"field": "stock"},
    "exchange": {"constant": "NSE"},
    "side": {"constant": "BUY"},
}
BUY = json.dumps({"ticker": "NSE:SBIN", "side": "buy"}).encode()


class MemoryBook:
    def __init__(self, webhook: Webhook) -> None:
        self.webhook_kept = webhook
        self.now = NOON
        self.first: dict[bytes, datetime] = {}
        self.deliveries: list[Delivery] = []

    async def secret_hashes(self, strategy_id: str) -> list[tuple[str, bytes]]:
        others = [(f"other {number}", hash_of(new_secret())) for number in range(3)]
        mine = [(self.webhook_kept.webhook_id, hash_of(SECRET))]
        return [*mine, *others] if strategy_id == STRATEGY else []

    async def webhook(self, webhook_id: str) -> Webhook | None:
        return self.webhook_kept if webhook_id == self.webhook_kept.webhook_id else None

    async def seen(self, webhook_id: str, body_hash: bytes, remembered_s: int) -> Sighting:
        first = self.first.get(body_hash, self.now)
        if self.now - first >= timedelta(seconds=remembered_s):
            first = self.now
        self.first[body_hash] = first
        return Sighting(first_at=first, at=self.now)

    async def write_delivery(self, webhook_id: str, delivery: Delivery) -> None:
        self.deliveries.append(delivery)


class SignalsByKey:
    """Accepts each key once, as the real flow does, and refuses what it is told to."""

    def __init__(self) -> None:
        self.accepted: dict[str, SignalRequest] = {}
        self.refuses: dict[str, Problem] = {}
        self.lives = timedelta(seconds=30)

    async def accept(self, request: SignalRequest) -> Signal:
        problem = self.refuses.get(request.proposal.instrument or "")
        if problem:
            raise problem
        earlier = self.accepted.setdefault(request.idempotency_key, request)
        assert earlier.request_hash == request.request_hash
        number = list(self.accepted).index(request.idempotency_key)
        signal = a_signal()
        expires_at = signal.stamps.accepted_at + self.lives
        return replace(signal, signal_id=f"signal {number}", expires_at=expires_at)


class Room:
    def __init__(self, mapping: dict[str, Any] = MAPPING, **changes: Any) -> None:
        values: dict[str, Any] = {
            "format": AlertFormat.TRADINGVIEW,
            "replay_window_s": 30,
            "signature_header": None,
            "sealed_signing_key": None,
        }
        self.webhook = Webhook(
            webhook_id="webhook-1",
            strategy_id=STRATEGY,
            master_id="master-1",
            name="Chart",
            mapping=MappingBody.model_validate(mapping),
            created_at=NOON,
            changed_at=NOON,
            rotated_at=NOON,
            **{**values, **changes},
        )
        self.book = MemoryBook(self.webhook)
        self.signals = SignalsByKey()
        self.flow = WebhookFlow(book=self.book, signals=self.signals, pace=Pace(burst=2))

    async def deliver(self, body: bytes = BUY, signature: str | None = None) -> Delivery:
        return await self.flow.deliver(self.webhook, body, secret=SECRET, signature=signature)

    async def refused(self, body: bytes = BUY, signature: str | None = None) -> int:
        with pytest.raises(Problem) as problem:
            await self.deliver(body, signature)
        return problem.value.status

    @property
    def outcomes(self) -> list[Outcome]:
        return [delivery.outcome for delivery in self.book.deliveries]


@pytest.mark.parametrize(
    ("strategy_id", "secret"),
    [
        (STRATEGY, new_secret()),
        (STRATEGY, ""),
        (STRATEGY, SECRET[:-1]),
        ("01980000-0000-7000-8000-000000000002", SECRET),
        ("no id at all", SECRET),
    ],
)
async def test_a_wrong_strategy_and_a_wrong_secret_are_answered_alike(
    strategy_id: str, secret: str
) -> None:
    with pytest.raises(Problem) as problem:
        await Room().flow.find(strategy_id, secret)

    assert problem.value.body() == {"code": "NOT_FOUND", "message": "There is nothing here."}


async def test_who_has_the_secret_is_let_in() -> None:
    room = Room()

    assert await room.flow.find(STRATEGY, SECRET) is room.webhook


async def test_an_alert_becomes_a_signal_of_the_master() -> None:
    room = Room()

    delivery = await room.deliver()

    (request,) = room.signals.accepted.values()
    assert request.master_id == "master-1"
    assert request.proposal.action is SignalAction.PLACE
    assert delivery.signal_ids == ("signal 0",)
    assert room.outcomes == [Outcome.ACCEPTED]


async def test_the_same_alert_within_the_window_is_one_signal() -> None:
    room = Room()

    first = await room.deliver()
    room.book.now += timedelta(seconds=29)
    second = await room.deliver()

    assert second.signal_ids == first.signal_ids
    assert len(room.signals.accepted) == 1
    assert room.outcomes == [Outcome.ACCEPTED, Outcome.REPEATED]


async def test_the_same_words_after_the_window_are_another_alert() -> None:
    room = Room()

    await room.deliver()
    room.book.now += timedelta(seconds=31)
    await room.deliver()

    assert len(room.signals.accepted) == 2


async def test_a_repetition_after_a_crash_completes_what_was_begun() -> None:
    room = Room(SCANNED, format=AlertFormat.CHARTINK)
    body = json.dumps({"stocks": "SBIN,INFY"}).encode()
    room.signals.refuses["NSE:INFY"] = backlog_full(SignalAction.PLACE)
    assert await room.refused(body) == 503

    room.signals.refuses.clear()
    room.book.now += timedelta(seconds=5)
    delivery = await room.deliver(body)

    assert delivery.signal_ids == ("signal 0", "signal 1")
    assert room.outcomes == [Outcome.NOT_NOW, Outcome.REPEATED]


async def test_an_alert_with_a_moment_can_not_be_sent_again_later() -> None:
    room = Room(MAPPING | {"alerted_at": {"field": "time"}}, replay_window_s=300)
    body = json.dumps(
        {"ticker": "NSE:SBIN", "side": "buy", "time": (NOON + timedelta(seconds=290)).isoformat()}
    ).encode()

    await room.deliver(body)
    for later_s in (299, 580, 589):
        room.book.now = NOON + timedelta(seconds=later_s)
        await room.deliver(body)
    room.book.now = NOON + timedelta(seconds=591)

    assert await room.refused(body) == 409
    assert len(room.signals.accepted) == 1
    assert room.outcomes[-1] is Outcome.OUT_OF_TIME


async def test_the_moment_of_an_alert_is_when_its_signal_happened() -> None:
    room = Room(MAPPING | {"alerted_at": {"field": "time"}})
    at = NOON - timedelta(seconds=8)

    await room.deliver(
        json.dumps({"ticker": "NSE:SBIN", "side": "buy", "time": at.isoformat()}).encode()
    )

    (request,) = room.signals.accepted.values()
    assert request.proposal.broker_event_at == at


async def test_an_entry_that_is_over_at_once_is_said_to_be_late() -> None:
    room = Room()
    room.signals.lives = timedelta(microseconds=1)

    delivery = await room.deliver()

    assert (delivery.outcome, delivery.refused) == (Outcome.ACCEPTED, 0)
    assert delivery.problem == "the alert came too late to enter anything"


def signed(body: bytes) -> str:
    return hmac.new(SIGNING_KEY.encode(), body, hashlib.sha256).hexdigest()


async def test_a_signed_webhook_takes_only_the_body_that_was_signed() -> None:
    keys: dict[str, Any] = {
        "signature_header": "X-Signature",
        "sealed_signing_key": sealed(SIGNING_KEY, SECRET),
    }
    room = Room(**keys)

    for wrong in (None, "", "00", signed(BUY)[:-1] + "x", signed(BUY + b" ")):
        assert await room.refused(signature=wrong) == 401
    assert await room.refused(BUY.replace(b"buy", b"sell"), signed(BUY)) == 401
    assert room.signals.accepted == {}
    await room.deliver(signature=signed(BUY))
    await room.deliver(BUY + b" ", f"sha256={signed(BUY + b' ').upper()}")

    assert room.outcomes == [Outcome.UNSIGNED] * 6 + [Outcome.ACCEPTED] * 2


def test_a_copy_of_the_database_does_not_sign() -> None:
    kept = sealed(SIGNING_KEY, SECRET)

    assert SIGNING_KEY not in kept
    assert SECRET not in kept


async def test_each_stock_of_an_alert_is_a_signal_of_its_own() -> None:
    room = Room(SCANNED, format=AlertFormat.CHARTINK)

    delivery = await room.deliver(json.dumps({"stocks": "SBIN,M_M,INFY"}).encode())

    assert [r.proposal.instrument for r in room.signals.accepted.values()] == [
        "NSE:SBIN",
        "NSE:INFY",
    ]
    assert (delivery.outcome, delivery.refused) == (Outcome.PARTLY_ACCEPTED, 1)
    assert delivery.problem.startswith("M_M: instrument: 'NSE:M_M' may stand for & or for -")


async def test_an_alert_that_can_not_be_used_is_refused_and_written_down() -> None:
    room = Room()

    assert await room.refused(b"buy!") == 422
    assert await room.refused(json.dumps({"ticker": "SBIN", "side": "buy"}).encode()) == 422

    assert room.outcomes == [Outcome.REFUSED, Outcome.REFUSED]
    assert "names no exchange" in room.book.deliveries[1].problem


async def test_the_secret_never_stands_in_what_the_master_is_shown() -> None:
    room = Room()

    await room.refused(json.dumps({"ticker": SECRET, "side": f"/webhooks/x/{SECRET}"}).encode())
    await room.refused(json.dumps({"ticker": "NSE:SBIN", "side": SECRET}).encode())

    assert SECRET[:12] not in str(room.book.deliveries)


async def test_a_flood_is_refused_and_written_down_once() -> None:
    room = Room()
    for _ in range(2):
        await room.flow.admit(room.webhook)

    for _ in range(5):
        with pytest.raises(Problem) as problem:
            await room.flow.admit(room.webhook)
        assert problem.value.status == 429

    assert room.outcomes == [Outcome.TOO_MANY]


async def test_what_is_too_large_is_written_down() -> None:
    room = Room()

    with pytest.raises(Problem) as problem:
        await room.flow.refuse_size(room.webhook)

    assert problem.value.status == 413
    assert room.outcomes == [Outcome.TOO_LARGE]


def test_the_pace_is_a_burst_and_then_a_steady_minute() -> None:
    now = 0.0
    pace = Pace(per_minute=60, burst=3, clock=lambda: now)

    assert [pace.takes("a") for _ in range(4)] == [True, True, True, False]
    assert pace.takes("b")
    now = 1.0
    assert [pace.takes("a") for _ in range(2)] == [True, False]
    now = 100.0
    assert [pace.takes("a") for _ in range(4)] == [True, True, True, False]
