"""FYERS's numbers for our words, as in the enumerations of the v3 reference."""

from libs.trading.orders import OrderStatus, OrderType, Product, Side, Validity

ORDER_TYPES = {
    1: OrderType.LIMIT,
    2: OrderType.MARKET,
    3: OrderType.STOP,
    4: OrderType.STOP_LIMIT,
}
SIDES = {1: Side.BUY, -1: Side.SELL}
PRODUCTS = {
    "CNC": Product.DELIVERY,
    "INTRADAY": Product.INTRADAY,
    "MARGIN": Product.CARRY_FORWARD,
    "MTF": Product.MTF,
}
VALIDITIES = {"DAY": Validity.DAY, "IOC": Validity.IOC}

TYPE_OF = {word: number for number, word in ORDER_TYPES.items()}
SIDE_OF = {word: number for number, word in SIDES.items()}
PRODUCT_OF = {word: name for name, word in PRODUCTS.items()}
VALIDITY_OF = {word: name for name, word in VALIDITIES.items()}
STATUS_OF = {
    OrderStatus.CANCELLED: 1,
    OrderStatus.FILLED: 2,
    OrderStatus.ACKED: 4,
    OrderStatus.REJECTED: 5,
    OrderStatus.OPEN: 6,
    OrderStatus.PARTIAL: 6,
    OrderStatus.LAPSED: 7,
}
