from datetime import timedelta
from pathlib import Path

import pytest

from libs.brokers.fyers.simulator.limits import Limits, Rules
from libs.brokers.fyers.simulator.replies import Refused
from tests.unit.libs.brokers.fyers.paper_fyers import NOON, a_paper_fyers

SECOND_NS = 1_000_000_000


class Asking:
    """Asks the limits at instants a test chooses, in seconds."""

    def __init__(self, **rules: int) -> None:
        self.limits = Limits(Rules())
        self.limits.change(rules)

    def ask(self, at_s: float, *, is_order: bool = True, client_id: str = "XB00001") -> int:
        """Return 0 when let through, else the milliseconds to wait."""
        try:
            self.limits.check(
                client_id,
                is_order=is_order,
                at=NOON + timedelta(seconds=at_s),
                now_ns=int(at_s * SECOND_NS),
            )
        except Refused as refusal:
            return refusal.wait_ms
        return 0


def test_eleventh_order_of_a_second_waits_until_the_first_has_left_the_window() -> None:
    asking = Asking()

    waits = [asking.ask(1 + number / 100) for number in range(11)]

    assert waits == [0] * 10 + [900]
    assert asking.ask(1.999) > 0
    assert asking.ask(2.0) == 0


def test_orders_and_other_requests_have_a_second_each() -> None:
    asking = Asking()

    orders = [asking.ask(1) for _ in range(10)]
    others = [asking.ask(1, is_order=False) for _ in range(11)]

    assert orders == [0] * 10
    assert others == [0] * 10 + [1000]


def test_clients_are_counted_apart() -> None:
    asking = Asking(orders_per_second=1)

    assert asking.ask(1, client_id="XB00001") == 0
    assert asking.ask(1, client_id="XB00002") == 0
    assert asking.ask(1, client_id="XB00001") > 0


def test_refused_requests_do_not_count() -> None:
    asking = Asking(orders_per_second=1)
    asking.ask(1)

    assert [asking.ask(1.5) for _ in range(50)] == [500] * 50
    assert asking.ask(2) == 0


def test_two_hundred_first_request_of_a_minute_waits_for_the_first_to_leave() -> None:
    asking = Asking()

    waits = [asking.ask(number * 0.11) for number in range(201)]

    assert waits[:200] == [0] * 200
    assert waits[200] == 60_000 - 22_000


def test_fourth_minute_with_a_breach_blocks_for_the_rest_of_the_day() -> None:
    asking = Asking(requests_per_minute=1)

    for minute in range(4):
        assert asking.ask(minute * 60.0) == 0
        assert asking.ask(minute * 60.0 + 1) == 59_000
        assert asking.ask(minute * 60.0 + 2) > 0  # The same minute counts once.

    twelve_hours_left = (12 * 3600 - 240) * 1000
    assert asking.ask(240) == twelve_hours_left
    assert asking.ask(12 * 3600) == 0  # Midnight in India.


def test_limit_of_none_at_all_lets_nothing_through() -> None:
    asking = Asking(orders_per_second=0)

    assert [asking.ask(1), asking.ask(1, is_order=False)] == [1000, 0]


def test_day_has_an_end_of_requests() -> None:
    asking = Asking(requests_per_day=2)

    assert [asking.ask(hour * 3600) > 0 for hour in range(3)] == [False, False, True]


def test_switched_off_limits_let_everything_through() -> None:
    asking = Asking(orders_per_second=1)
    asking.limits.change({"enabled": False})

    assert {asking.ask(1) for _ in range(1000)} == {0}


@pytest.mark.parametrize(
    "change",
    [{"no_such": 1}, {"enabled": 1}, {"orders_per_second": True}, {"orders_per_second": -1}],
)
def test_impossible_limit_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        Asking().limits.change(change)


async def test_refusal_carries_both_retry_headers_and_makes_no_order(tmp_path: Path) -> None:
    async with a_paper_fyers(tmp_path) as fyers:
        header = await fyers.signed_in()
        await fyers.control("PUT", "limits", {"orders_per_second": 1})
        await fyers.place(header)
        refused = await fyers.ask("POST", "orders/sync", {}, header)
        other = await fyers.ask("GET", "orders", header=header)

    assert refused.status_code == 429
    assert refused.json() == {"s": "error", "code": -429, "message": "request limit reached"}
    assert refused.headers["retry-after"] == "1"
    assert 0 < int(refused.headers["x-retry-after-ms"]) <= 1000
    assert len(other.json()["orderBook"]) == 1
