import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from libs.contracts.v1 import common_pb2 as _common_pb2
from libs.contracts.v1 import order_pb2 as _order_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SignalAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIGNAL_ACTION_UNSPECIFIED: _ClassVar[SignalAction]
    SIGNAL_ACTION_PLACE: _ClassVar[SignalAction]
    SIGNAL_ACTION_MODIFY: _ClassVar[SignalAction]
    SIGNAL_ACTION_CANCEL: _ClassVar[SignalAction]
    SIGNAL_ACTION_EXIT: _ClassVar[SignalAction]

class SizingMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIZING_MODE_UNSPECIFIED: _ClassVar[SizingMode]
    SIZING_MODE_MULTIPLIER: _ClassVar[SizingMode]
    SIZING_MODE_FIXED_QUANTITY: _ClassVar[SizingMode]
    SIZING_MODE_FIXED_VALUE: _ClassVar[SizingMode]
    SIZING_MODE_FUNDS_SHARE: _ClassVar[SizingMode]
    SIZING_MODE_EQUITY_PROPORTIONAL: _ClassVar[SizingMode]

class WhenSmall(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WHEN_SMALL_UNSPECIFIED: _ClassVar[WhenSmall]
    WHEN_SMALL_SKIP: _ClassVar[WhenSmall]
    WHEN_SMALL_ONE_LOT: _ClassVar[WhenSmall]

class Segment(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEGMENT_UNSPECIFIED: _ClassVar[Segment]
    SEGMENT_EQUITY: _ClassVar[Segment]
    SEGMENT_FUTURES: _ClassVar[Segment]
    SEGMENT_OPTIONS: _ClassVar[Segment]
    SEGMENT_CURRENCY: _ClassVar[Segment]
    SEGMENT_COMMODITY: _ClassVar[Segment]
SIGNAL_ACTION_UNSPECIFIED: SignalAction
SIGNAL_ACTION_PLACE: SignalAction
SIGNAL_ACTION_MODIFY: SignalAction
SIGNAL_ACTION_CANCEL: SignalAction
SIGNAL_ACTION_EXIT: SignalAction
SIZING_MODE_UNSPECIFIED: SizingMode
SIZING_MODE_MULTIPLIER: SizingMode
SIZING_MODE_FIXED_QUANTITY: SizingMode
SIZING_MODE_FIXED_VALUE: SizingMode
SIZING_MODE_FUNDS_SHARE: SizingMode
SIZING_MODE_EQUITY_PROPORTIONAL: SizingMode
WHEN_SMALL_UNSPECIFIED: WhenSmall
WHEN_SMALL_SKIP: WhenSmall
WHEN_SMALL_ONE_LOT: WhenSmall
SEGMENT_UNSPECIFIED: Segment
SEGMENT_EQUITY: Segment
SEGMENT_FUTURES: Segment
SEGMENT_OPTIONS: Segment
SEGMENT_CURRENCY: Segment
SEGMENT_COMMODITY: Segment

class SignalEmitted(_message.Message):
    __slots__ = ("signal_id", "master_id", "strategy_id", "seq", "action", "instrument", "expires_at", "accepted_at", "broker_event_at", "published_at", "parent_signal_id", "side", "product", "validity", "terms", "master_price", "master_equity", "held_quantity", "filled_before", "filled_after", "extras")
    SIGNAL_ID_FIELD_NUMBER: _ClassVar[int]
    MASTER_ID_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_AT_FIELD_NUMBER: _ClassVar[int]
    BROKER_EVENT_AT_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_AT_FIELD_NUMBER: _ClassVar[int]
    PARENT_SIGNAL_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    VALIDITY_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    MASTER_PRICE_FIELD_NUMBER: _ClassVar[int]
    MASTER_EQUITY_FIELD_NUMBER: _ClassVar[int]
    HELD_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    FILLED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    FILLED_AFTER_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_FIELD_NUMBER: _ClassVar[int]
    signal_id: str
    master_id: str
    strategy_id: str
    seq: int
    action: SignalAction
    instrument: str
    expires_at: _timestamp_pb2.Timestamp
    accepted_at: _timestamp_pb2.Timestamp
    broker_event_at: _timestamp_pb2.Timestamp
    published_at: _timestamp_pb2.Timestamp
    parent_signal_id: str
    side: _common_pb2.Side
    product: _common_pb2.Product
    validity: _common_pb2.Validity
    terms: _common_pb2.OrderTerms
    master_price: str
    master_equity: str
    held_quantity: int
    filled_before: int
    filled_after: int
    extras: _containers.RepeatedScalarFieldContainer[_order_pb2.OrderExtra]
    def __init__(self, signal_id: _Optional[str] = ..., master_id: _Optional[str] = ..., strategy_id: _Optional[str] = ..., seq: _Optional[int] = ..., action: _Optional[_Union[SignalAction, str]] = ..., instrument: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., accepted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., broker_event_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., published_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., parent_signal_id: _Optional[str] = ..., side: _Optional[_Union[_common_pb2.Side, str]] = ..., product: _Optional[_Union[_common_pb2.Product, str]] = ..., validity: _Optional[_Union[_common_pb2.Validity, str]] = ..., terms: _Optional[_Union[_common_pb2.OrderTerms, _Mapping]] = ..., master_price: _Optional[str] = ..., master_equity: _Optional[str] = ..., held_quantity: _Optional[int] = ..., filled_before: _Optional[int] = ..., filled_after: _Optional[int] = ..., extras: _Optional[_Iterable[_Union[_order_pb2.OrderExtra, str]]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("order_value_max", "order_quantity_max", "open_positions_max", "orders_per_day_max", "loss_per_day_max", "instruments_allowed", "instruments_denied", "segments_allowed", "segments_denied", "products_allowed", "trading_from_ist", "trading_until_ist", "price_distance_bps_max", "short_allowed", "after_market_allowed")
    ORDER_VALUE_MAX_FIELD_NUMBER: _ClassVar[int]
    ORDER_QUANTITY_MAX_FIELD_NUMBER: _ClassVar[int]
    OPEN_POSITIONS_MAX_FIELD_NUMBER: _ClassVar[int]
    ORDERS_PER_DAY_MAX_FIELD_NUMBER: _ClassVar[int]
    LOSS_PER_DAY_MAX_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_ALLOWED_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_DENIED_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_ALLOWED_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_DENIED_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_ALLOWED_FIELD_NUMBER: _ClassVar[int]
    TRADING_FROM_IST_FIELD_NUMBER: _ClassVar[int]
    TRADING_UNTIL_IST_FIELD_NUMBER: _ClassVar[int]
    PRICE_DISTANCE_BPS_MAX_FIELD_NUMBER: _ClassVar[int]
    SHORT_ALLOWED_FIELD_NUMBER: _ClassVar[int]
    AFTER_MARKET_ALLOWED_FIELD_NUMBER: _ClassVar[int]
    order_value_max: str
    order_quantity_max: int
    open_positions_max: int
    orders_per_day_max: int
    loss_per_day_max: str
    instruments_allowed: _containers.RepeatedScalarFieldContainer[str]
    instruments_denied: _containers.RepeatedScalarFieldContainer[str]
    segments_allowed: _containers.RepeatedScalarFieldContainer[Segment]
    segments_denied: _containers.RepeatedScalarFieldContainer[Segment]
    products_allowed: _containers.RepeatedScalarFieldContainer[_common_pb2.Product]
    trading_from_ist: str
    trading_until_ist: str
    price_distance_bps_max: int
    short_allowed: bool
    after_market_allowed: bool
    def __init__(self, order_value_max: _Optional[str] = ..., order_quantity_max: _Optional[int] = ..., open_positions_max: _Optional[int] = ..., orders_per_day_max: _Optional[int] = ..., loss_per_day_max: _Optional[str] = ..., instruments_allowed: _Optional[_Iterable[str]] = ..., instruments_denied: _Optional[_Iterable[str]] = ..., segments_allowed: _Optional[_Iterable[_Union[Segment, str]]] = ..., segments_denied: _Optional[_Iterable[_Union[Segment, str]]] = ..., products_allowed: _Optional[_Iterable[_Union[_common_pb2.Product, str]]] = ..., trading_from_ist: _Optional[str] = ..., trading_until_ist: _Optional[str] = ..., price_distance_bps_max: _Optional[int] = ..., short_allowed: _Optional[bool] = ..., after_market_allowed: _Optional[bool] = ...) -> None: ...

class FollowState(_message.Message):
    __slots__ = ("follow_id", "strategy_id", "master_id", "user_id", "account_id", "broker", "sizing_mode", "sizing_value", "from_seq", "until_seq", "paused", "version", "sizing_when_small", "limits")
    FOLLOW_ID_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
    MASTER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    BROKER_FIELD_NUMBER: _ClassVar[int]
    SIZING_MODE_FIELD_NUMBER: _ClassVar[int]
    SIZING_VALUE_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQ_FIELD_NUMBER: _ClassVar[int]
    UNTIL_SEQ_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SIZING_WHEN_SMALL_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    follow_id: str
    strategy_id: str
    master_id: str
    user_id: str
    account_id: str
    broker: str
    sizing_mode: SizingMode
    sizing_value: str
    from_seq: int
    until_seq: int
    paused: bool
    version: int
    sizing_when_small: WhenSmall
    limits: Limits
    def __init__(self, follow_id: _Optional[str] = ..., strategy_id: _Optional[str] = ..., master_id: _Optional[str] = ..., user_id: _Optional[str] = ..., account_id: _Optional[str] = ..., broker: _Optional[str] = ..., sizing_mode: _Optional[_Union[SizingMode, str]] = ..., sizing_value: _Optional[str] = ..., from_seq: _Optional[int] = ..., until_seq: _Optional[int] = ..., paused: _Optional[bool] = ..., version: _Optional[int] = ..., sizing_when_small: _Optional[_Union[WhenSmall, str]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...
