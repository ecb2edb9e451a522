import enum
import inspect
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.contracts import codec, topics
from libs.contracts.v1 import common_pb2, notice_pb2, order_pb2, session_pb2, signal_pb2
from libs.trading import accounts, events, follows, instruments, orders, signals, states
from libs.trading.events import DeadLetter, Notice, NoticeKind
from libs.trading.follows import Sizing, SizingMode, WhenSmall
from libs.trading.limits import NO_LIMITS, Limits
from libs.trading.orders import Product, Side
from tests import factories
from tests.factories import NOON

NOON_IN_INDIA = time(12, 0)

EVENTS: dict[str, list[Any]] = {
    topics.SIGNALS: [
        factories.a_signal(),
        factories.a_signal(master_price=Decimal("812.45"), master_equity=Decimal(1_000_000)),
        factories.a_signal(
            action=signals.SignalAction.CANCEL, side=None, product=None, terms=None,
            parent_signal_id="parent",
            stamps=signals.Stamps(accepted_at=NOON, broker_event_at=NOON - timedelta(seconds=1)),
        ),
    ],
    topics.FOLLOW_EVENTS: [
        factories.a_follow(),
        factories.a_follow(until_seq=9, paused=True),
        factories.a_follow(limits=factories.every_limit()),
        factories.a_follow(limits=Limits(trading_from_ist=NOON_IN_INDIA)),
        factories.a_follow(sizing=Sizing(mode=SizingMode.FUNDS_SHARE, value=Decimal("2.5"),
                                         when_small=WhenSmall.ONE_LOT)),
    ],
    topics.SESSION_EVENTS: [
        factories.an_account(),
        factories.an_account(egress="mumbai-1", algo_id="77", orders_per_second_max=3,
                             consent_version=2, session_expires_at=None,
                             strategy_algo_ids={"s1": "78", "s2": "79"}),
    ],
    topics.BROKER_UPDATES: [
        factories.a_broker_update(),
        factories.a_broker_update(report=factories.a_report(
            side=Side.SELL, product=Product.DELIVERY, terms=factories.some_terms(),
            average_price=Decimal("812.55"), filled_quantity=4, code="-99", message="no", at=NOON,
            exchange_order_id="11", instrument="NSE:SBIN")),
    ],
    topics.ORDER_EVENTS: [
        factories.an_order_changed(),
        factories.an_order_changed(sent_at=NOON, average_price=Decimal("0.0500"), reason="EXPIRED"),
        factories.an_order_changed(reason="TOO_SMALL", figures={"lot": "9", "wanted": "4"}),
        factories.an_order_changed(acknowledged_at=NOON, filled_at=NOON + timedelta(seconds=1)),
    ],
    topics.NOTICES: [
        Notice(notice_id="n", kind=NoticeKind.ALARM_OPENED, code="X", subject="account:1", at=NOON,
               user_id="u", figures={"limit": "5000.00"}),
    ],
    topics.DEAD_LETTERS: [
        DeadLetter(source_topic="signals.v1", partition=3, offset=9, raw=b"\xff", error="bad",
                   at=NOON, key=b"k", headers={"a": "b"}),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "event"), [(topic, event) for topic, many in EVENTS.items() for event in many]
)
def test_every_message_survives_the_round_trip(topic: str, event: Any) -> None:
    assert codec.decode(topic, codec.encode(event)) == event


def test_every_topic_has_a_round_trip() -> None:
    assert set(EVENTS) == set(topics.TYPE_OF_TOPIC)


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (kind, module)
        for source, modules in [
            (orders, [common_pb2, order_pb2]),
            (signals, [signal_pb2]),
            (follows, [signal_pb2]),
            (instruments, [signal_pb2]),
            (accounts, [session_pb2]),
            (states, [order_pb2]),
            (events, [order_pb2, notice_pb2]),
        ]
        for module in modules
        for _, kind in inspect.getmembers(source, inspect.isclass)
        if issubclass(kind, enum.Enum) and kind.__module__ == source.__name__
        and kind.__name__ in module.DESCRIPTOR.enum_types_by_name
    ],
)  # fmt: skip
def test_enums_stand_in_the_order_of_the_wire(words: type[enum.Enum], module: Any) -> None:
    on_the_wire = module.DESCRIPTOR.enum_types_by_name[words.__name__].values

    assert len(on_the_wire) == len(words) + 1
    for member, value in zip(words, on_the_wire[1:], strict=True):
        assert value.name.endswith(f"_{member.name}")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xff\xff\xff", id="not protobuf"),
        pytest.param(b"", id="empty"),
        pytest.param(signal_pb2.SignalEmitted(signal_id="1").SerializeToString(), id="no times"),
    ],
)
def test_a_record_that_is_not_whole_is_refused(raw: bytes) -> None:
    with pytest.raises(codec.NotUnderstood):
        codec.decode(topics.SIGNALS, raw)


def test_an_unknown_action_is_refused_not_guessed() -> None:
    message = signal_pb2.SignalEmitted()
    message.ParseFromString(codec.encode(factories.a_signal()))
    message.action = 99  # type: ignore[assignment]  # what a newer version might send

    with pytest.raises(codec.NotUnderstood, match="action"):
        codec.decode(topics.SIGNALS, message.SerializeToString())


def test_a_price_that_is_no_number_is_refused() -> None:
    message = signal_pb2.SignalEmitted()
    message.ParseFromString(codec.encode(factories.a_signal()))
    message.terms.limit_price = "NaN"

    with pytest.raises(codec.NotUnderstood, match="limit_price"):
        codec.decode(topics.SIGNALS, message.SerializeToString())


def test_a_follow_from_before_there_were_limits_has_none() -> None:
    message = signal_pb2.FollowState()
    message.ParseFromString(codec.encode(factories.a_follow(limits=factories.every_limit())))
    message.ClearField("limits")
    message.ClearField("sizing_when_small")

    follow = codec.decode(topics.FOLLOW_EVENTS, message.SerializeToString())

    assert isinstance(follow, follows.Follow)
    assert follow.limits == NO_LIMITS
    assert follow.sizing.when_small is WhenSmall.SKIP


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("segments_denied", 0), ("segments_denied", 99), ("products_allowed", 99)],
)
def test_a_limit_nobody_understands_is_refused_not_left_out(field: str, wrong: int) -> None:
    message = signal_pb2.FollowState()
    message.ParseFromString(codec.encode(factories.a_follow()))
    getattr(message.limits, field).append(wrong)

    with pytest.raises(codec.NotUnderstood, match=field):
        codec.decode(topics.FOLLOW_EVENTS, message.SerializeToString())


def test_a_time_that_is_none_is_refused() -> None:
    message = signal_pb2.FollowState()
    message.ParseFromString(codec.encode(factories.a_follow()))
    message.limits.trading_from_ist = "25:00"

    with pytest.raises(codec.NotUnderstood, match="trading_from_ist"):
        codec.decode(topics.FOLLOW_EVENTS, message.SerializeToString())


def test_a_glance_at_an_order_event_sees_what_decoding_would() -> None:
    event = factories.an_order_changed(version=7, state=states.OrderState.FILLED)

    seen = codec.glance_order(codec.encode(event))

    assert seen is not None
    assert (seen.order_id, seen.version, seen.state) == (event.order_id, 7, event.state)
    assert datetime.fromtimestamp(seen.at_us / 1_000_000, UTC) == event.at


def test_a_glance_at_bytes_that_are_no_message_sees_nothing() -> None:
    assert codec.glance_order(b"\xff\xff") is None


def test_a_glance_does_not_guess_a_state() -> None:
    seen = codec.glance_order(b"\x28\x63")  # Field 5, the state, is 99.

    assert seen is not None
    assert seen.state is None
