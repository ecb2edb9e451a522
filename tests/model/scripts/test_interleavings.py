"""Interleavings worth keeping: scripts as hypothesis prints them, with what must come out."""

from libs.trading.states import OrderState
from tests.model.played import played
from tests.model.world import World


def states_of(world: World, account: str) -> list[OrderState]:
    orders = world.tables.orders.values()
    return [order.state for order in orders if order.planned.account_id == account]


def arrivals_of(world: World, account: str, kind: str) -> int:
    return sum(a.account_id == account and a.kind == kind for a in world.broker.journal)


def test_a_timeout_after_acting_a_crash_and_a_late_book_make_one_order() -> None:
    with played() as state:
        state.wait_a_while(seconds=4.5)
        state.lag(seconds=6.0)
        state.feed(mode="down")
        state.place_into(
            master=0, instrument=0, ticks=0, mood="acts, then fails", times=1, then=0.05
        )
        state.crash(replica=0)
        state.crash(replica=1)
        state.wait_a_while(seconds=14.0)

    assert OrderState.UNKNOWN in {transition.state for transition in state.world.tables.history}
    assert states_of(state.world, "account-0") == [OrderState.FILLED]
    assert arrivals_of(state.world, "account-0", "PLACE") == 1


def test_a_cancel_that_races_a_fill_leaves_the_fill() -> None:
    with played() as state:
        state.wait_a_while(seconds=4.5)
        state.place(master=0, instrument=0, quantity=10, ticks=-4, delivery="at once", then=0.5)
        assert states_of(state.world, "account-3") == [OrderState.OPEN]
        state.feed(mode="slow")
        state.cancel(master=0, which=0, delivery="at once", then=0.004)
        state.price(instrument=0, ticks=-12)
        state.wait_a_moment(seconds=0.3)
        assert arrivals_of(state.world, "account-3", "CANCEL") == 1

    assert states_of(state.world, "account-3") == [OrderState.FILLED]


def test_a_lease_handed_over_between_claim_and_answer_sends_nothing_twice() -> None:
    with played() as state:
        state.wait_a_while(seconds=4.5)
        state.place_into(master=0, instrument=0, ticks=0, mood="answers slowly", times=1, then=0.05)
        state.hand_over(shard=0, replica=1)
        state.hand_over(shard=1, replica=0)
        state.wait_an_instant(seconds=0.006)
        state.crash(replica=0)
        state.wait_a_while(seconds=9.0)

    for account in ("account-0", "account-1", "account-2", "account-3"):
        assert states_of(state.world, account) == [OrderState.FILLED]
        assert arrivals_of(state.world, account, "PLACE") == 1


def test_a_zombie_that_wakes_after_its_lease_went_sends_nothing() -> None:
    with played() as state:
        state.wait_a_while(seconds=4.5)
        state.database(replica=0, trouble="none", latency_ms=20)
        state.place(master=0, instrument=0, quantity=10, ticks=0, delivery="at once", then=0.004)
        state.wait_an_instant(seconds=0.006)
        state.wait_an_instant(seconds=0.006)
        state.wait_an_instant(seconds=0.006)
        state.wait_an_instant(seconds=0.006)
        # Its orders are born SENDING by now; that they are, it has not read yet.
        state.pause(replica=0)
        state.wait_a_while(seconds=9.0)
        state.resume(replica=0)
        state.wait_a_while(seconds=14.0)

    silent = [
        account
        for account in ("account-0", "account-1", "account-2", "account-3")
        if arrivals_of(state.world, account, "PLACE") == 0
    ]
    assert silent
    for account in silent:
        assert states_of(state.world, account) == [OrderState.NOT_PLACED]


def test_a_shard_revoked_while_its_batch_is_planned_loses_no_signal() -> None:
    with played() as state:
        state.crash(replica=0)
        state.wait_a_moment(seconds=1.1)
        state.place(master=0, instrument=0, quantity=10, ticks=0, delivery="at once", then=0.05)
        state.restart(replica=0)
        state.cancel(master=0, which=0, delivery="at once", then=0.004)
        state.place(master=0, instrument=0, quantity=10, ticks=0, delivery="at once", then=0.05)
        state.wait_a_moment(seconds=0.03)
        state.wait_a_moment(seconds=0.012)
        state.wait_an_instant(seconds=0.004)
        state.crash(replica=1)

    assert len(states_of(state.world, "account-0")) == 2


def test_an_order_cancelled_on_its_way_is_not_sent_again_when_it_comes_back() -> None:
    with played() as state:
        state.wait_a_while(seconds=4.5)
        state.mood(account=0, kind="PLACE", mood="refuses the rate", times=1)
        state.place(master=0, instrument=0, quantity=10, ticks=-4, delivery="at once", then=0.004)
        state.cancel(master=0, which=0, delivery="at once", then=2.1)

    assert states_of(state.world, "account-0") == [OrderState.SKIPPED]
    assert arrivals_of(state.world, "account-0", "PLACE") == 1


def test_a_late_refusal_of_an_old_session_leaves_the_new_one_alone() -> None:
    with played() as state:
        state.wait_a_while(seconds=4.5)
        state.place(master=0, instrument=0, quantity=10, ticks=-4, delivery="at once", then=0.5)
        state.expire_session(account=0)
        state.mood(account=0, kind="CANCEL", mood="connects slowly", times=1)
        state.cancel(master=0, which=0, delivery="at once", then=0.5)
        state.connect(account=0, connected=True)
        state.wait_a_while(seconds=14.0)
        assert states_of(state.world, "account-0") == [OrderState.CANCELLED]
