"""The model is tested too: each way to break the product is found within so many steps."""

import inspect
from collections.abc import Callable

import pytest

from libs.brokers.errors import BrokerError
from libs.trading.reasons import HoldReason
from libs.trading.states import SENDABLE, OrderState
from services.executor import flow, folding
from services.executor.rows import Due
from tests.model import run
from tests.model.statements import StatementsInMemory
from tests.model.tables import OrderRecord, Tables

_STEPS_MAX = 15_000
_SECONDS_MAX = 500


def resend_what_is_unknown(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(folding.__dict__["_HOLD_OF"], folding.UNKNOWN, HoldReason.BREAKER)


def take_every_broker_error_as_proof(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(flow, "NotProcessed", BrokerError)


def claim_without_comparing(patch: pytest.MonkeyPatch) -> None:
    def whatever_it_is_now(self: StatementsInMemory, due: list[Due]) -> list[OrderRecord]:
        sendable = SENDABLE | {OrderState.SENDING}
        orders = [self.tables.orders[item.order_id] for item in due if not item.command]
        return [order for order in orders if order.state in sendable]

    patch.setattr(StatementsInMemory, "_unchanged", whatever_it_is_now)


def claim_without_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StatementsInMemory, "_lease_held", lambda *_: True)


def claim_in_spite_of_doubts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tables, "in_doubt", lambda _: set())


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("broken", "invariants"),
    [
        (resend_what_is_unknown, {"I1", "I4"}),
        (take_every_broker_error_as_proof, {"I1", "I4"}),
        (claim_without_comparing, {"I1"}),
        (claim_without_lease, {"R3"}),
        (claim_in_spite_of_doubts, {"R2"}),
    ],
    ids=lambda value: value.__name__ if inspect.isfunction(value) else "",
)
def test_the_machine_finds_what_is_broken(
    broken: Callable[[pytest.MonkeyPatch], None],
    invariants: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken(monkeypatch)

    with pytest.raises(run.Found) as found:
        run.run(1, _STEPS_MAX, _SECONDS_MAX, shrink=False)

    assert any(f"{invariant}:" in str(found.value) for invariant in invariants)
