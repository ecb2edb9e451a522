"""Rows of the tables as the flow wants to see them."""

from libs.trading.accounts import Environment
from libs.trading.market import RequestKind
from services.executor.planning import PlacedOrder
from services.executor.rows import Due, Leaving
from tests.model.tables import CommandRecord, OrderRecord


def due_order(order: OrderRecord) -> Due:
    return Due(order_id=order.order_id, version=order.version, leaving=order.planned.leaving)


def due_command(order: OrderRecord, command: CommandRecord) -> Due:
    planned = order.planned
    return Due(
        order_id=order.order_id,
        version=0,
        leaving=Leaving(
            account_id=planned.account_id,
            environment=Environment(planned.shape.environment),
            instrument=planned.shape.signal.instrument,
            kind=RequestKind(command.kind),
            order_type=order.terms.order_type,
            validity=planned.shape.signal.validity,
            expires_at=command.expires_at,
        ),
        command=command.n,
    )


def placed_order(order: OrderRecord, changes: int) -> PlacedOrder:
    planned = order.planned
    return PlacedOrder(
        order_id=order.order_id,
        account_id=planned.account_id,
        follow_id=planned.follow_id,
        state=order.state,
        instrument=planned.shape.signal.instrument,
        side=planned.shape.side,
        product=planned.shape.product,
        validity=planned.shape.signal.validity,
        environment=Environment(planned.shape.environment),
        order_type=order.terms.order_type,
        quantity=order.terms.quantity,
        leg=planned.leg,
        changes=changes,
        closes=planned.shape.kind is RequestKind.EXIT,
    )
