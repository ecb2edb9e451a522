"""What was never sent says why, in words and in the figures behind them."""

from collections.abc import AsyncIterator

import pytest

from libs.trading.reasons import SKIP_SENTENCES, SkipReason, sentence
from services.executor.rows import Due
from tests.integration.executor.test_claims import due, owning
from tests.integration.executor.world import World


@pytest.fixture
async def waiting(world: World) -> AsyncIterator[Due]:
    """Plan one order that waits for its session."""
    follower = await world.a_follower()
    world.sessions.missing.add(follower.account_id)
    async with owning(world.replica):
        await world.emit_and_hear()
        yield await due(world)


@pytest.mark.parametrize("finder", ["dispatch", "sweep"])
async def test_what_ran_out_is_told_how_old_it_was_and_how_long_it_lived(
    world: World, waiting: Due, finder: str
) -> None:
    await world.owner.execute(
        "UPDATE executor.orders SET expires_at = accepted_at + interval '45 seconds'"
    )
    ledger = world.replica.ledger

    await (ledger.sweep() if finder == "sweep" else ledger.skip_stopped([waiting]))

    [order] = (
        await world.replica.repository.order_snapshot(world.master_id, after=None, limit=9)
    ).orders
    assert (order.state, order.reason) == ("SKIPPED", SkipReason.EXPIRED)
    assert order.figures["lives_s"] == "45"
    assert int(order.figures["age_s"]) >= 60
    assert order.message == sentence(SkipReason.EXPIRED, order.figures)


async def test_what_was_too_old_when_it_came_is_told_no_figures(world: World, waiting: Due) -> None:
    await world.owner.execute("UPDATE executor.orders SET expires_at = accepted_at")

    await world.replica.ledger.skip_stopped([waiting])

    [order] = await world.orders()
    assert (order["figures"], order["message"]) == (None, SKIP_SENTENCES[SkipReason.EXPIRED])


async def test_what_this_process_knows_of_a_skip_is_kept_in_words_and_figures(
    world: World, waiting: Due
) -> None:
    figures = {"opens": "24 November, 09:15"}

    await world.replica.ledger.skip([waiting], SkipReason.CLOSED, figures)

    [order] = (
        await world.replica.repository.order_snapshot(world.master_id, after=None, limit=9)
    ).orders
    assert (order.reason, order.figures) == (SkipReason.CLOSED, figures)
    assert order.message == sentence(SkipReason.CLOSED, figures)
