"""What exits and sizes stand on: net positions per product, foreign orders included, and money."""

from decimal import Decimal
from typing import Any

import pytest

from libs.brokers.errors import OutcomeUnknown, RateLimited, SessionExpired
from libs.brokers.protocol import BrokerSession
from libs.paper.server.knobs import Failure
from libs.trading.orders import Funds, OrderStatus, OrderTerms, OrderType, Position, Product, Side
from tests.conformance.paper import CASH, FUTURE, PaperBroker
from tests.conformance.test_failures import QUICK
from tests.conformance.test_orders import FEW, resting
from tests.factories import an_intent

TAG = an_intent().client_order_id
OTHER_TAG = "other0000000001"


async def traded(
    broker: PaperBroker,
    session: BrokerSession,
    quantity: int,
    side: Side = Side.BUY,
    tag: str = TAG,
    **changes: Any,
) -> None:
    terms = OrderTerms(order_type=OrderType.MARKET, quantity=quantity)
    intent = an_intent(client_order_id=tag, side=side, terms=terms, **changes)
    await broker.orders.place_order(session, intent)
    await broker.eventually(session, tag, OrderStatus.FILLED)


async def held(broker: PaperBroker, session: BrokerSession) -> dict[tuple[str, Product], int]:
    """List what is open, by instrument and product; what is closed may be listed with 0."""
    positions = await broker.account.positions(session)
    return {(it.instrument, it.product): it.net_quantity for it in positions if it.net_quantity}


async def the_position(broker: PaperBroker, session: BrokerSession) -> Position:
    [position] = await broker.account.positions(session)
    return position


async def test_buys_and_sells_of_a_day_net_out(broker: PaperBroker, session: BrokerSession) -> None:
    await traded(broker, session, 7)
    await traded(broker, session, 10, Side.SELL, OTHER_TAG)

    assert await held(broker, session) == {(CASH, Product.INTRADAY): -3}


async def test_closed_position_is_open_no_more(broker: PaperBroker, session: BrokerSession) -> None:
    await traded(broker, session, 7)
    await traded(broker, session, 7, Side.SELL, OTHER_TAG)

    assert await held(broker, session) == {}


async def test_products_of_one_instrument_are_apart(
    broker: PaperBroker, session: BrokerSession
) -> None:
    if Product.DELIVERY not in broker.manifest.products:
        pytest.skip("the manifest has no DELIVERY")
    await traded(broker, session, 7)
    await traded(broker, session, 2, tag=OTHER_TAG, product=Product.DELIVERY)

    assert await held(broker, session) == {
        (CASH, Product.INTRADAY): 7,
        (CASH, Product.DELIVERY): 2,
    }


async def test_what_the_owner_does_himself_counts(
    broker: PaperBroker, session: BrokerSession
) -> None:
    await traded(broker, session, 7)
    by_hand = {"client_id": session.client_id, "instrument": CASH, "quantity": 5, "side": "SELL"}
    await broker.ask("POST", "foreign-order", by_hand)

    assert await held(broker, session) == {(CASH, Product.INTRADAY): 2}


async def test_derivatives_count_in_contracts_not_in_lots(broker: PaperBroker) -> None:
    if Product.CARRY_FORWARD not in broker.manifest.products:
        pytest.skip("the manifest has no CARRY_FORWARD")
    rich = await broker.a_session("XB00088", funds="100000000")
    known = broker.instruments.find(FUTURE)
    assert known is not None
    quantity = 2 * known.lot_size

    await traded(broker, rich, quantity, instrument=FUTURE, product=Product.CARRY_FORWARD)

    assert await held(broker, rich) == {(FUTURE, Product.CARRY_FORWARD): quantity}


async def test_only_what_was_filled_is_held(broker: PaperBroker, session: BrokerSession) -> None:
    script = {"steps": [{"percent": 40}, {"percent": 60, "after_s": 600}]}
    await broker.ask("POST", "fills", {**script, "client_id": session.client_id})
    terms = OrderTerms(order_type=OrderType.LIMIT, quantity=10, limit_price=await broker.price())

    await broker.orders.place_order(session, an_intent(terms=terms))

    await broker.eventually(session, TAG, OrderStatus.PARTIAL)
    assert await held(broker, session) == {(CASH, Product.INTRADAY): 4}


async def test_position_follows_the_market(broker: PaperBroker, session: BrokerSession) -> None:
    bought_at = await broker.price()
    await traded(broker, session, 10)
    await broker.ask("PUT", "price", {"instrument": CASH, "price": str(bought_at + FEW)})

    position = await the_position(broker, session)

    assert (position.average_price, position.last_price) == (bought_at, bought_at + FEW)
    assert position.unrealised == 10 * FEW
    assert not position.realised


async def test_accounts_do_not_see_each_other(broker: PaperBroker, session: BrokerSession) -> None:
    other = await broker.a_session("XB00077")
    await traded(broker, session, 7)

    assert await held(broker, other) == {}


def whole(funds: Funds) -> bool:
    """Tell whether what is used and what is free make up the total."""
    return funds.available + funds.used == funds.total


async def test_new_account_has_all_its_money_free(broker: PaperBroker) -> None:
    other = await broker.a_session("XB00077", funds="250000.50")

    funds = await broker.account.funds(other)

    assert (funds.total, funds.available) == (Decimal("250000.5"), Decimal("250000.5"))
    assert not funds.used


async def test_position_uses_money_and_the_total_stays(
    broker: PaperBroker, session: BrokerSession
) -> None:
    before = await broker.account.funds(session)
    await traded(broker, session, 10)

    after = await broker.account.funds(session)

    assert after.total == before.total
    assert 0 < after.used <= 10 * await broker.price()
    assert whole(after)


async def test_resting_order_reserves_money_until_it_is_cancelled(
    broker: PaperBroker, session: BrokerSession
) -> None:
    before = await broker.account.funds(session)
    intent = an_intent(terms=await resting(broker))
    placed = await broker.orders.place_order(session, intent)
    during = await broker.account.funds(session)

    await broker.orders.cancel_order(session, placed.broker_order_id, intent)

    await broker.eventually(session, TAG, OrderStatus.CANCELLED)
    assert during.available < before.available
    assert whole(during)
    assert await broker.account.funds(session) == before


async def test_loss_that_was_taken_lessens_the_total(
    broker: PaperBroker, session: BrokerSession
) -> None:
    before, price = await broker.account.funds(session), await broker.price()
    await traded(broker, session, 10)
    await broker.ask("PUT", "price", {"instrument": CASH, "price": str(price - FEW)})
    await traded(broker, session, 10, Side.SELL, OTHER_TAG)

    after = await broker.account.funds(session)

    assert after.total == before.total - 10 * FEW
    assert after.available == after.total


@pytest.mark.parametrize("failure", QUICK)
async def test_misspoken_positions_and_funds_are_errors_and_never_nothing(
    broker: PaperBroker, session: BrokerSession, failure: Failure
) -> None:
    await traded(broker, session, 7)
    knob = {"outcome": "act_then_fail", "failure": failure, "operations": ["account"]}
    await broker.ask("PUT", "knobs", knob)

    for read in (broker.account.positions, broker.account.funds, broker.account.holdings):
        with pytest.raises(OutcomeUnknown):
            await read(session)


async def test_ended_session_reads_nothing(broker: PaperBroker, session: BrokerSession) -> None:
    await broker.ask("POST", "sessions/expire", {"client_id": session.client_id})

    for read in (broker.account.positions, broker.account.funds, broker.account.holdings):
        with pytest.raises(SessionExpired):
            await read(session)


async def test_reads_over_the_limit_say_when_to_come_back(
    broker: PaperBroker, session: BrokerSession
) -> None:
    await broker.ask("PUT", "limits", {"enabled": True, "others_per_second": 1})
    await broker.account.positions(session)

    with pytest.raises(RateLimited) as refused:
        await broker.account.funds(session)

    assert 0 < refused.value.retry_after_s <= 1
