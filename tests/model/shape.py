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
            environment=Environment(planned.environment),
            instrument=planned.instrument,
            kind=RequestKind(command.kind),
            order_type=order.terms.order_type,
            validity=planned.validity,
            expires_at=command.expires_at,
        ),
        command=command.n,
    )


def placed_order(order: OrderRecord) -> PlacedOrder:
    planned = order.planned
    return PlacedOrder(
        order_id=order.order_id,
        account_id=planned.account_id,
        follow_id=planned.follow_id,
        state=order.state,
        instrument=planned.instrument,
        side=planned.side,
        product=planned.product,
        validity=planned.validity,
        environment=Environment(planned.environment),
        order_type=order.terms.order_type,
    )
