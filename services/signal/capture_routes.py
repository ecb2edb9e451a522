"""HTTP of capture: which broker account of a master feeds a strategy, and what came of it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from libs.brokers.registry import manifest
from libs.runtime.identity import Principal
from libs.trading.accounts import Account, SessionState
from services.signal import refusals
from services.signal.capture_bodies import (
    CaptureAnswer,
    CaptureBody,
    CapturedOrdersAnswer,
    before_of,
    capture_answer,
    capture_unknown,
    captured_answer,
    cursor_of,
    login_taken,
    would_echo,
)
from services.signal.capture_decision import Capture
from services.signal.capture_repository import CaptureChange, CaptureRepository, LoginTaken
from services.signal.repository import SignalRepository
from services.signal.requests import Captures, Master, PageSize, Repository

router = APIRouter()


@router.put("/strategies/{strategy_id}/capture", tags=["capture"])
async def change_capture(
    strategy_id: UUID, body: CaptureBody, master: Master, captures: Captures, signals: Repository
) -> CaptureAnswer:
    """Make own orders at this account signals of the strategy, from now on, or stop it."""
    await _check_own(master, strategy_id, signals)
    account = await signals.account_of(master.user_id, str(body.account_id))
    if account is None:
        raise refusals.account_unknown()
    if body.on:
        await _check_usable(account, captures)
    try:
        await captures.change(
            CaptureChange(
                strategy_id=str(strategy_id),
                master_id=master.user_id,
                account_id=account.account_id,
                broker=account.broker,
                broker_client_id=account.broker_client_id,
                is_on=body.on,
            )
        )
    except LoginTaken as error:
        raise login_taken() from error
    return _answer(await _capture(master, strategy_id, captures))


@router.get("/strategies/{strategy_id}/capture", tags=["capture"])
async def own_capture(
    strategy_id: UUID, master: Master, captures: Captures, signals: Repository
) -> CaptureAnswer:
    await _check_own(master, strategy_id, signals)
    return _answer(await _capture(master, strategy_id, captures))


@router.get("/strategies/{strategy_id}/capture/orders", tags=["capture"])
async def captured_orders(
    strategy_id: UUID,
    master: Master,
    captures: Captures,
    signals: Repository,
    before: Annotated[str | None, Query(max_length=200)] = None,
    limit: PageSize = 50,
) -> CapturedOrdersAnswer:
    """Show the account's new orders, what they became, and why some became nothing."""
    await _check_own(master, strategy_id, signals)
    found = await captures.orders(str(strategy_id), before=before_of(before), limit=limit)
    return CapturedOrdersAnswer(
        orders=[captured_answer(order) for order in found],
        cursor=cursor_of(found[-1]) if len(found) == limit else None,
    )


async def _check_own(master: Principal, strategy_id: UUID, signals: SignalRepository) -> None:
    strategy = await signals.strategy(str(strategy_id))
    if strategy is None or strategy.master_id != master.user_id:
        raise refusals.strategy_not_yours()


async def _check_usable(account: Account, captures: CaptureRepository) -> None:
    if account.session_state is not SessionState.CONNECTED:
        raise refusals.account_not_connected()
    untold = not manifest(account.broker).tags_echoed
    if untold and await captures.login_follows(account.broker, account.broker_client_id):
        raise would_echo()


async def _capture(master: Principal, strategy_id: UUID, captures: CaptureRepository) -> Capture:
    capture = await captures.capture_of(master.user_id, str(strategy_id))
    if capture is None:
        raise capture_unknown()
    return capture


def _answer(capture: Capture) -> CaptureAnswer:
    return capture_answer(capture, tags_echoed=manifest(capture.broker).tags_echoed)
