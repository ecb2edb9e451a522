"""The only translator between trading terms and protobuf: `encode`, `decode`, `decode_batch`.

Fields carry the same names on both sides; `Signal.stamps` and `Follow.sizing` travel flat. Money
travels as a decimal string, instants as UTC timestamps, enums by name. A decoder never raises into
the consumer: one bad record would lose its whole batch, so it becomes `Undecodable`. A field that
came later is optional on the wire: a record from before it takes the field's default.
"""

import types
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import MISSING, dataclass, fields, is_dataclass
from dataclasses import Field as DataclassField
from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, Protocol, get_args, get_origin, get_type_hints

from google.protobuf.message import DecodeError, Message

from libs.contracts import topics
from libs.contracts.v1 import common_pb2, notice_pb2, order_pb2, session_pb2, signal_pb2
from libs.trading.accounts import Account
from libs.trading.events import BrokerUpdate, DeadLetter, Notice, OrderChanged
from libs.trading.follows import Follow, Sizing
from libs.trading.limits import Limits
from libs.trading.orders import OrderReport, OrderTerms
from libs.trading.signals import Signal, SignalAction, Stamps
from libs.trading.states import OrderState

Event = Signal | Follow | Account | BrokerUpdate | OrderChanged | Notice | DeadLetter

_MESSAGE_OF: Mapping[type, type[Message]] = {
    Signal: signal_pb2.SignalEmitted,
    Follow: signal_pb2.FollowState,
    Limits: signal_pb2.Limits,
    Account: session_pb2.AccountState,
    OrderReport: order_pb2.OrderReport,
    BrokerUpdate: order_pb2.BrokerUpdate,
    OrderChanged: order_pb2.OrderChanged,
    OrderTerms: common_pb2.OrderTerms,
    Notice: notice_pb2.Notice,
    DeadLetter: notice_pb2.DeadLetter,
}

# Grouped in trading terms, flat on the wire: attribute -> (type, prefix of the wire's field names).
_FLAT: Mapping[type, Mapping[str, tuple[type, str]]] = {
    Signal: {"stamps": (Stamps, "")},
    Follow: {"sizing": (Sizing, "sizing_")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One decoded record and where it stood on the bus."""

    topic: str
    partition: int
    offset: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecodable:
    """A record nobody could read, whole, for the dead letters."""

    topic: str
    partition: int
    offset: int
    raw: bytes
    error: str
    key: bytes | None = None
    headers: Mapping[str, str]


class OrderGlance(NamedTuple):
    """Which version of which order a record tells of, before it is decoded whole.

    `state` is None for one that nobody knows, `at_us` counts microseconds since 1970.
    """

    order_id: str
    version: int
    state: OrderState | None
    at_us: int


class RawRecord(Protocol):
    """What a Kafka consumer hands over."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Any


class BatchMessage(Protocol):
    raw_message: Any


class NotUnderstood(ValueError):
    """The bytes are not a message of this topic; the text says which field is wrong."""


def encode(event: Event) -> bytes:
    message = _to_message(event)
    return message.SerializeToString()


def decode(topic: str, raw: bytes) -> Event:
    """Read one record. Raise `NotUnderstood` for anything that is not whole and known."""
    kind = topics.TYPE_OF_TOPIC[topic]
    message = _MESSAGE_OF[kind]()
    try:
        message.ParseFromString(raw)
    except DecodeError as error:
        raise NotUnderstood(f"{topic}: not protobuf: {error}") from error
    event: Event = _from_message(kind, message)
    return event


def glance(raw: bytes) -> tuple[str | None, SignalAction | None]:
    """Read whose signal this is and what it wants, however much of the rest is missing or wrong.

    Both are None for what is not protobuf; an action nobody knows is None.
    """
    message = signal_pb2.SignalEmitted()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        return None, None
    members = list(SignalAction)
    known = 0 < message.action <= len(members)
    return message.master_id or None, members[message.action - 1] if known else None


_ORDER_STATES = (None, *OrderState)


def glance_order(raw: bytes) -> OrderGlance | None:
    """Read the few fields that decide which of many events are decoded; 20 times as fast.

    None for what is not protobuf. Whether the rest can be read, `decode` finds out.
    """
    message = order_pb2.OrderChanged()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        return None
    state = message.state
    return OrderGlance(
        message.order_id,
        message.version,
        _ORDER_STATES[state] if 0 < state < len(_ORDER_STATES) else None,
        message.at.seconds * 1_000_000 + message.at.nanos // 1_000,
    )


async def decode_batch(message: BatchMessage) -> list[Record | Undecodable]:
    """FastStream decoder of a batch subscriber; never raises."""
    return [decode_record(record) for record in message.raw_message]


def decode_record(record: RawRecord) -> Record | Undecodable:
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    raw = record.value or b""
    try:
        return Record(**place, event=decode(record.topic, raw))  # type: ignore[arg-type]  # three known fields
    except NotUnderstood as error:
        headers = {str(k): bytes(v).decode("utf-8", "replace") for k, v in record.headers or ()}
        return Undecodable(
            **place,  # type: ignore[arg-type]  # three known fields
            raw=raw,
            error=str(error),
            key=record.key,
            headers=headers,
        )


# One dataclass field to one wire field, worked out once per type.


@dataclass(frozen=True, slots=True)
class _Field:
    path: tuple[str, ...]
    wire_name: str
    required: bool
    # Whether the wire tells "not given" apart from its empty value.
    has_presence: bool
    default: Any
    put: Callable[[Message, str, Any], None]
    take: Callable[[Any], Any]


def _to_message(value: Any) -> Message:
    message = _MESSAGE_OF[type(value)]()
    kind: Any = type(value)
    for item in _plan(kind):
        part = value
        for name in item.path:
            part = getattr(part, name)
        if part is not None:
            item.put(message, item.wire_name, part)
    return message


def _from_message(kind: type, message: Message) -> Any:
    flat = _FLAT.get(kind, {})
    values: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {name: {} for name in flat}
    for item in _plan(kind):
        target = values if len(item.path) == 1 else groups[item.path[0]]
        target[item.path[-1]] = _taken(kind, item, message)
    for name, (group_kind, _) in flat.items():
        values[name] = group_kind(**groups[name])
    return kind(**values)


def _taken(kind: type, item: _Field, message: Message) -> Any:
    if item.has_presence and not message.HasField(item.wire_name):
        if item.required and item.default is MISSING:
            raise NotUnderstood(f"{kind.__name__}.{item.wire_name}: missing")
        return item.default if item.required else None
    try:
        value = item.take(getattr(message, item.wire_name))
    except (ValueError, InvalidOperation) as error:
        raise NotUnderstood(f"{kind.__name__}.{item.wire_name}: {error}") from error
    if value is None and item.required:
        raise NotUnderstood(f"{kind.__name__}.{item.wire_name}: missing")
    return value


@cache
def _plan(kind: Any) -> tuple[_Field, ...]:
    hints = get_type_hints(kind)
    flat = _FLAT.get(kind, {})
    planned: list[_Field] = []
    wire = _MESSAGE_OF[kind].DESCRIPTOR.fields_by_name
    present = {name: bool(described.has_presence) for name, described in wire.items()}
    for item in fields(kind):
        if item.name in flat:
            group, prefix = flat[item.name]
            group_hints = get_type_hints(group)
            planned += [
                _field((item.name,), inner, group_hints[inner.name], present, prefix)
                for inner in fields(group)
            ]
        elif item.init:
            planned.append(_field((), item, hints[item.name], present))
    return tuple(planned)


def _field(
    above: tuple[str, ...],
    item: DataclassField[Any],
    hint: Any,
    present: Mapping[str, bool],
    prefix: str = "",
) -> _Field:
    options = get_args(hint) if get_origin(hint) in {types.UnionType} else (hint,)
    required = type(None) not in options
    kind = next(option for option in options if option is not type(None))
    put, take = _ways(kind)
    name = prefix + item.name
    return _Field((*above, item.name), name, required, present[name], item.default, put, take)


_Ways = tuple[Callable[[Message, str, Any], None], Callable[[Any], Any]]


def _ways(kind: Any) -> _Ways:
    if is_dataclass(kind):
        return _put_message, lambda message: _from_message(kind, message)  # type: ignore[arg-type]  # a class, not an instance
    if get_origin(kind) is dict:
        return _put_map, dict
    if get_origin(kind) is frozenset:
        return _set_ways(get_args(kind)[0])
    if kind is time:
        return _put_time_of_day, time.fromisoformat
    if kind is datetime:
        return _put_timestamp, lambda stamp: stamp.ToDatetime(tzinfo=UTC)
    if kind is Decimal:
        return _put_text, _finite_decimal
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_ways(kind)
    return _put_plain, lambda value: value


def _enum_ways(kind: type[Enum]) -> _Ways:
    members = list(kind)  # In the order of the wire: the codec's test compares them.

    def put(message: Message, name: str, value: Enum) -> None:
        setattr(message, name, members.index(value) + 1)

    def take(number: int) -> Enum | None:
        if number == 0:
            return None
        if not 0 < number <= len(members):
            raise ValueError(f"{number} is not a {kind.__name__}")
        return members[number - 1]

    return put, take


def _set_ways(kind: type[Enum] | type[str]) -> _Ways:
    """Sort what travels, so that the same set is the same bytes."""
    members = list(kind) if issubclass(kind, Enum) else None
    _, take_one = _ways(kind)

    def put(message: Message, name: str, value: Set[Any]) -> None:
        wire = (members.index(one) + 1 for one in value) if members else value
        getattr(message, name).extend(sorted(wire))

    def take(many: Iterable[Any]) -> Set[Any]:
        found = frozenset(take_one(one) for one in many)
        if None in found:
            raise ValueError(f"0 is not a {kind.__name__}")
        return found

    return put, take


def _finite_decimal(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a number")
    return value


def _put_plain(message: Message, name: str, value: Any) -> None:
    setattr(message, name, value)


def _put_text(message: Message, name: str, value: Any) -> None:
    setattr(message, name, str(value))


def _put_time_of_day(message: Message, name: str, value: time) -> None:
    setattr(message, name, value.isoformat("minutes"))


def _put_timestamp(message: Message, name: str, value: datetime) -> None:
    getattr(message, name).FromDatetime(value)


def _put_map(message: Message, name: str, value: Mapping[str, str]) -> None:
    getattr(message, name).update(value)


def _put_message(message: Message, name: str, value: Any) -> None:
    getattr(message, name).CopyFrom(_to_message(value))
