from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Side(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIDE_UNSPECIFIED: _ClassVar[Side]
    SIDE_BUY: _ClassVar[Side]
    SIDE_SELL: _ClassVar[Side]

class OrderType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_TYPE_UNSPECIFIED: _ClassVar[OrderType]
    ORDER_TYPE_MARKET: _ClassVar[OrderType]
    ORDER_TYPE_LIMIT: _ClassVar[OrderType]
    ORDER_TYPE_STOP: _ClassVar[OrderType]
    ORDER_TYPE_STOP_LIMIT: _ClassVar[OrderType]

class Product(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRODUCT_UNSPECIFIED: _ClassVar[Product]
    PRODUCT_DELIVERY: _ClassVar[Product]
    PRODUCT_INTRADAY: _ClassVar[Product]
    PRODUCT_CARRY_FORWARD: _ClassVar[Product]
    PRODUCT_MTF: _ClassVar[Product]

class Validity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VALIDITY_UNSPECIFIED: _ClassVar[Validity]
    VALIDITY_DAY: _ClassVar[Validity]
    VALIDITY_IOC: _ClassVar[Validity]
SIDE_UNSPECIFIED: Side
SIDE_BUY: Side
SIDE_SELL: Side
ORDER_TYPE_UNSPECIFIED: OrderType
ORDER_TYPE_MARKET: OrderType
ORDER_TYPE_LIMIT: OrderType
ORDER_TYPE_STOP: OrderType
ORDER_TYPE_STOP_LIMIT: OrderType
PRODUCT_UNSPECIFIED: Product
PRODUCT_DELIVERY: Product
PRODUCT_INTRADAY: Product
PRODUCT_CARRY_FORWARD: Product
PRODUCT_MTF: Product
VALIDITY_UNSPECIFIED: Validity
VALIDITY_DAY: Validity
VALIDITY_IOC: Validity

class OrderTerms(_message.Message):
    __slots__ = ("order_type", "quantity", "limit_price", "trigger_price")
    ORDER_TYPE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_PRICE_FIELD_NUMBER: _ClassVar[int]
    order_type: OrderType
    quantity: int
    limit_price: str
    trigger_price: str
    def __init__(self, order_type: _Optional[_Union[OrderType, str]] = ..., quantity: _Optional[int] = ..., limit_price: _Optional[str] = ..., trigger_price: _Optional[str] = ...) -> None: ...
