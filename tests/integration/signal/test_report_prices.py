"""A captured market order is the measure of its copies, by the price its master got."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from libs.trading.orders import OrderStatus, OrderType
from libs.trading.states import OrderState as S
from services.signal.report_storage import ReportStorage
from tests.factories import some_terms
from tests.integration.signal.running import RunningService
from tests.integration.signal.test_capture import MARKET, Says, captured, says, turn, until
from tests.integration.signal.told import an_order_of, executors_on, reported
from tests.servers import Database, Servers

__all__ = ["says"]  # A fixture of the capture's tests.
AddAccount = Callable[..., str]
AT_THE_MARKET = some_terms(order_type=OrderType.MARKET, limit_price=None)


def fills(database: Database) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner_dsn) as owner:
        return owner.execute(
            "select filled_quantity, average_price from signal.report_fills"
        ).fetchall()


async def test_copies_of_a_captured_market_order_are_measured_by_the_master_s_own_fill(
    service: RunningService,
    servers: Servers,
    database: Database,
    add_account: AddAccount,
    says: Says,
) -> None:
    master, strategy_id = await service.master()
    account_id = add_account(master.user_id, kind="TRADER")
    assert (await turn(master, strategy_id, account_id)).status_code == 200
    part = {"terms": MARKET, "status": OrderStatus.PARTIAL}
    await says(account_id, "one", **part, filled_quantity=4, average_price=Decimal(800))
    await says(
        account_id, "one", terms=MARKET, status=OrderStatus.FILLED, filled_quantity=10,
        average_price=Decimal("812.50"),
    )  # fmt: skip
    [signal] = await until(master, 1)
    await captured(master, strategy_id, 1)
    async with asyncio.timeout(30):
        while fills(database) != [(10, Decimal("812.50"))]:  # noqa: ASYNC110  # Another's row.
            await asyncio.sleep(0.05)
    copy = an_order_of(
        signal["signal_id"],
        datetime.now(UTC) + timedelta(seconds=1),
        state=S.FILLED,
        terms=AT_THE_MARKET,
        filled_quantity=10,
        average_price=Decimal("813.3125"),
    )
    async with executors_on(servers, database) as executors:
        await executors.tell(copy)
        await reported(database, copy.order_id)

    report = (await master.http.get(f"/reports/signals/{signal['signal_id']}")).json()

    # 0.8125 dearer than 812.50.
    assert (report["slippage"]["orders"], report["slippage"]["p50_bp"]) == (1, "10.00")


async def test_a_master_s_fill_is_forgotten_with_its_report(
    service: RunningService, database: Database
) -> None:
    with psycopg.connect(database.owner_dsn) as owner:
        for days in (20, 5):
            owner.execute(
                "insert into signal.report_fills values (gen_random_uuid(), 1, 1,"
                " now() - make_interval(days => %s))",
                [days],
            )

    assert await ReportStorage(service.app.state.pool, days=10).forget(rows_max=9) == 1

    assert len(fills(database)) == 1
