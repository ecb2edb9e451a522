from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from libs.paper.fills import FillScript, FillStep
from libs.paper.orders import PaperOrder
from libs.paper.server import views
from libs.paper.server.desk import Desk, StateUnreadable
from libs.paper.server.journal import Journal
from libs.trading.orders import OrderStatus, Product
from tests.unit.libs.paper.market import CLIENT, NOON, SBIN, a_request, terms


class SteppingClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def go_on(self, **span: float) -> None:
        self.at += timedelta(**span)


def a_number(order: PaperOrder) -> str:
    return str(order.number)


def a_desk(state: Path, clock: SteppingClock) -> Desk:
    desk = Desk(Journal(state / "journal.jsonl"), clock, a_number)
    desk.replay()
    return desk


async def test_restart_rebuilds_every_book_exactly(tmp_path: Path) -> None:
    clock = SteppingClock()
    desk = a_desk(tmp_path, clock)
    async with desk.journal:
        desk.open_account(CLIENT, Decimal(5_000_000))
        desk.add_fill_script(
            FillScript(steps=[FillStep(percent=40), FillStep(percent=20, after_s=3)], orders=2)
        )
        desk.place(a_request(terms(50)))
        resting = desk.place(a_request(terms(10, limit="790.00")))
        desk.place(a_request(terms(10_000_000)))
        clock.go_on(seconds=3)
        desk.pass_time()
        desk.modify(CLIENT, resting.number, terms(20, limit="800.00"))
        desk.set_prices({SBIN: Decimal("795.00")})
        desk.place(a_request(terms(7, limit="780.00")))
        desk.cancel(CLIENT, 4)
        desk.place(a_request(terms(5), product=Product.DELIVERY))
        before = views.book(desk, CLIENT)
        prices = dict(desk.exchange.prices)

    again = a_desk(tmp_path, clock)

    assert views.book(again, CLIENT) == before
    assert again.exchange.prices == prices
    assert again.exchange.orders_created == 5
    async with again.journal:
        pass


async def test_new_day_after_a_restart_closes_the_old_one(tmp_path: Path) -> None:
    clock = SteppingClock()
    desk = a_desk(tmp_path, clock)
    async with desk.journal:
        desk.open_account(CLIENT, Decimal(5_000_000))
        desk.place(a_request(terms(10), product=Product.DELIVERY))

    clock.go_on(days=1)
    again = a_desk(tmp_path, clock)
    async with again.journal:
        again.pass_time()

    assert again.exchange.account(CLIENT).orders == {}
    assert again.exchange.account(CLIENT).held(SBIN) == 10


async def test_reset_forgets_everything_but_the_journal_and_never_repeats_a_number(
    tmp_path: Path,
) -> None:
    clock = SteppingClock()
    desk = a_desk(tmp_path, clock)
    async with desk.journal:
        desk.open_account(CLIENT, Decimal(5_000_000))
        desk.place(a_request())
        cursor = desk.reset()
        assert desk.exchange.accounts == {}
        desk.open_account(CLIENT, Decimal(5_000_000))
        assert desk.place(a_request()).number == 2
        await desk.journal.durable()

        assert len(desk.journal.read(kinds=["order"])) == 2
        assert len(desk.journal.read(after=cursor, kinds=["order"])) == 1

    again = a_desk(tmp_path, clock)
    assert list(again.exchange.account(CLIENT).orders) == [2]
    async with again.journal:
        pass


async def test_prices_move_together_or_not_at_all(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, SteppingClock())
    async with desk.journal:
        with pytest.raises(Exception, match="NOSUCH"):
            desk.set_prices({SBIN: Decimal("800.00"), "NSE:NOSUCH": Decimal(1)})

    assert desk.exchange.prices[SBIN] == Decimal("812.50")


async def test_scripted_fill_comes_when_its_time_has_passed(tmp_path: Path) -> None:
    clock = SteppingClock()
    desk = a_desk(tmp_path, clock)
    async with desk.journal:
        desk.open_account(CLIENT, Decimal(5_000_000))
        desk.add_fill_script(FillScript(steps=[FillStep(percent=100, after_s=1)]))
        order = desk.place(a_request())

        desk.pass_time()
        assert order.is_working
        clock.go_on(seconds=1)
        desk.pass_time()

        assert order.status is OrderStatus.FILLED


async def test_journal_that_does_not_fit_says_which_line_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(
        '{"n":1,"kind":"cancel","at":"2026-11-23T06:30:00Z","client_id":"X","number":1}\n'
    )

    with pytest.raises(StateUnreadable, match=r"line 1 of .*move the file away"):
        Desk(Journal(path), SteppingClock(), a_number).replay()
