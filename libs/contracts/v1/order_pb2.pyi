import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from libs.contracts.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OrderStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_STATUS_UNSPECIFIED: _ClassVar[OrderStatus]
    ORDER_STATUS_ACKED: _ClassVar[OrderStatus]
    ORDER_STATUS_OPEN: _ClassVar[OrderStatus]
    ORDER_STATUS_PARTIAL: _ClassVar[OrderStatus]
    ORDER_STATUS_FILLED: _ClassVar[OrderStatus]
    ORDER_STATUS_CANCELLED: _ClassVar[OrderStatus]
    ORDER_STATUS_REJECTED: _ClassVar[OrderStatus]
    ORDER_STATUS_LAPSED: _ClassVar[OrderStatus]

class UpdateSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UPDATE_SOURCE_UNSPECIFIED: _ClassVar[UpdateSource]
    UPDATE_SOURCE_REPLY: _ClassVar[UpdateSource]
    UPDATE_SOURCE_FEED: _ClassVar[UpdateSource]
    UPDATE_SOURCE_BOOK: _ClassVar[UpdateSource]

class OrderState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_STATE_UNSPECIFIED: _ClassVar[OrderState]
    ORDER_STATE_PLANNED: _ClassVar[OrderState]
    ORDER_STATE_HELD: _ClassVar[OrderState]
    ORDER_STATE_AWAITING_USER: _ClassVar[OrderState]
    ORDER_STATE_SKIPPED: _ClassVar[OrderState]
    ORDER_STATE_SENDING: _ClassVar[OrderState]
    ORDER_STATE_UNKNOWN: _ClassVar[OrderState]
    ORDER_STATE_ACKED: _ClassVar[OrderState]
    ORDER_STATE_OPEN: _ClassVar[OrderState]
    ORDER_STATE_PARTIAL: _ClassVar[OrderState]
    ORDER_STATE_FILLED: _ClassVar[OrderState]
    ORDER_STATE_CANCELLED: _ClassVar[OrderState]
    ORDER_STATE_REJECTED: _ClassVar[OrderState]
    ORDER_STATE_LAPSED: _ClassVar[OrderState]
    ORDER_STATE_NOT_PLACED: _ClassVar[OrderState]
    ORDER_STATE_NEEDS_ATTENTION: _ClassVar[OrderState]

class OrderExtra(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_EXTRA_UNSPECIFIED: _ClassVar[OrderExtra]
    ORDER_EXTRA_AFTER_MARKET: _ClassVar[OrderExtra]
    ORDER_EXTRA_DISCLOSED_QUANTITY: _ClassVar[OrderExtra]
    ORDER_EXTRA_ATTACHED_EXITS: _ClassVar[OrderExtra]
ORDER_STATUS_UNSPECIFIED: OrderStatus
ORDER_STATUS_ACKED: OrderStatus
ORDER_STATUS_OPEN: OrderStatus
ORDER_STATUS_PARTIAL: OrderStatus
ORDER_STATUS_FILLED: OrderStatus
ORDER_STATUS_CANCELLED: OrderStatus
ORDER_STATUS_REJECTED: OrderStatus
ORDER_STATUS_LAPSED: OrderStatus
UPDATE_SOURCE_UNSPECIFIED: UpdateSource
UPDATE_SOURCE_REPLY: UpdateSource
UPDATE_SOURCE_FEED: UpdateSource
UPDATE_SOURCE_BOOK: UpdateSource
ORDER_STATE_UNSPECIFIED: OrderState
ORDER_STATE_PLANNED: OrderState
ORDER_STATE_HELD: OrderState
ORDER_STATE_AWAITING_USER: OrderState
ORDER_STATE_SKIPPED: OrderState
ORDER_STATE_SENDING: OrderState
ORDER_STATE_UNKNOWN: OrderState
ORDER_STATE_ACKED: OrderState
ORDER_STATE_OPEN: OrderState
ORDER_STATE_PARTIAL: OrderState
ORDER_STATE_FILLED: OrderState
ORDER_STATE_CANCELLED: OrderState
ORDER_STATE_REJECTED: OrderState
ORDER_STATE_LAPSED: OrderState
ORDER_STATE_NOT_PLACED: OrderState
ORDER_STATE_NEEDS_ATTENTION: OrderState
ORDER_EXTRA_UNSPECIFIED: OrderExtra
ORDER_EXTRA_AFTER_MARKET: OrderExtra
ORDER_EXTRA_DISCLOSED_QUANTITY: OrderExtra
ORDER_EXTRA_ATTACHED_EXITS: OrderExtra

class OrderReport(_message.Message):
    __slots__ = ("status", "broker_order_id", "client_order_id", "exchange_order_id", "instrument", "side", "product", "terms", "filled_quantity", "average_price", "code", "message", "at", "placed_at", "validity", "extras")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BROKER_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    FILLED_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_PRICE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    PLACED_AT_FIELD_NUMBER: _ClassVar[int]
    VALIDITY_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_FIELD_NUMBER: _ClassVar[int]
    status: OrderStatus
    broker_order_id: str
    client_order_id: str
    exchange_order_id: str
    instrument: str
    side: _common_pb2.Side
    product: _common_pb2.Product
    terms: _common_pb2.OrderTerms
    filled_quantity: int
    average_price: str
    code: str
    message: str
    at: _timestamp_pb2.Timestamp
    placed_at: _timestamp_pb2.Timestamp
    validity: _common_pb2.Validity
    extras: _containers.RepeatedScalarFieldContainer[OrderExtra]
    def __init__(self, status: _Optional[_Union[OrderStatus, str]] = ..., broker_order_id: _Optional[str] = ..., client_order_id: _Optional[str] = ..., exchange_order_id: _Optional[str] = ..., instrument: _Optional[str] = ..., side: _Optional[_Union[_common_pb2.Side, str]] = ..., product: _Optional[_Union[_common_pb2.Product, str]] = ..., terms: _Optional[_Union[_common_pb2.OrderTerms, _Mapping]] = ..., filled_quantity: _Optional[int] = ..., average_price: _Optional[str] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., placed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., validity: _Optional[_Union[_common_pb2.Validity, str]] = ..., extras: _Optional[_Iterable[_Union[OrderExtra, str]]] = ...) -> None: ...

class BrokerUpdate(_message.Message):
    __slots__ = ("account_id", "broker", "source", "received_at", "report")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    BROKER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    broker: str
    source: UpdateSource
    received_at: _timestamp_pb2.Timestamp
    report: OrderReport
    def __init__(self, account_id: _Optional[str] = ..., broker: _Optional[str] = ..., source: _Optional[_Union[UpdateSource, str]] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., report: _Optional[_Union[OrderReport, _Mapping]] = ...) -> None: ...

class OrderChanged(_message.Message):
    __slots__ = ("order_id", "version", "change_id", "at", "state", "signal_id", "strategy_id", "follow_id", "master_id", "user_id", "account_id", "broker", "client_order_id", "instrument", "side", "product", "terms", "planned_at", "accepted_at", "sent_at", "filled_quantity", "average_price", "broker_order_id", "environment", "action", "reason", "message", "retry_of", "figures", "acknowledged_at", "filled_at")
    class FiguresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_ID_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_ID_FIELD_NUMBER: _ClassVar[int]
    MASTER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    BROKER_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    PLANNED_AT_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_AT_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    FILLED_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_PRICE_FIELD_NUMBER: _ClassVar[int]
    BROKER_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_AT_FIELD_NUMBER: _ClassVar[int]
    FILLED_AT_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    version: int
    change_id: int
    at: _timestamp_pb2.Timestamp
    state: OrderState
    signal_id: str
    strategy_id: str
    follow_id: str
    master_id: str
    user_id: str
    account_id: str
    broker: str
    client_order_id: str
    instrument: str
    side: _common_pb2.Side
    product: _common_pb2.Product
    terms: _common_pb2.OrderTerms
    planned_at: _timestamp_pb2.Timestamp
    accepted_at: _timestamp_pb2.Timestamp
    sent_at: _timestamp_pb2.Timestamp
    filled_quantity: int
    average_price: str
    broker_order_id: str
    environment: str
    action: str
    reason: str
    message: str
    retry_of: str
    figures: _containers.ScalarMap[str, str]
    acknowledged_at: _timestamp_pb2.Timestamp
    filled_at: _timestamp_pb2.Timestamp
    def __init__(self, order_id: _Optional[str] = ..., version: _Optional[int] = ..., change_id: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[OrderState, str]] = ..., signal_id: _Optional[str] = ..., strategy_id: _Optional[str] = ..., follow_id: _Optional[str] = ..., master_id: _Optional[str] = ..., user_id: _Optional[str] = ..., account_id: _Optional[str] = ..., broker: _Optional[str] = ..., client_order_id: _Optional[str] = ..., instrument: _Optional[str] = ..., side: _Optional[_Union[_common_pb2.Side, str]] = ..., product: _Optional[_Union[_common_pb2.Product, str]] = ..., terms: _Optional[_Union[_common_pb2.OrderTerms, _Mapping]] = ..., planned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., accepted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., filled_quantity: _Optional[int] = ..., average_price: _Optional[str] = ..., broker_order_id: _Optional[str] = ..., environment: _Optional[str] = ..., action: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., retry_of: _Optional[str] = ..., figures: _Optional[_Mapping[str, str]] = ..., acknowledged_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., filled_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
