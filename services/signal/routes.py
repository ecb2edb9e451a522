"""HTTP of the signal service: strategies and signals of masters, follows of followers."""

import hashlib
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query
from uuid_utils import uuid7

from services.signal import refusals
from services.signal.answers import (
    AcceptedAnswer,
    FollowAnswer,
    FollowsAnswer,
    ReversalAnswer,
    SignalAnswer,
    SignalsAnswer,
    StrategiesAnswer,
    StrategyAnswer,
    accepted_answer,
    follow_answer,
    signal_answer,
    strategy_answer,
)
from services.signal.bodies import (
    FollowBody,
    FollowChangeBody,
    ReversalBody,
    SignalBody,
    StrategyBody,
    StrategyChangeBody,
)
from services.signal.records import NameTaken
from services.signal.replay import SignalRequest, checked_key, request_hash
from services.signal.requests import Anyone, Flow, Follower, Master, PageSize, Repository

router = APIRouter()


IdempotencyKey = Annotated[
    str, Header(alias="Idempotency-Key", description="1 to 255 printable characters, per master.")
]


@router.post("/signals", status_code=202, tags=["signals"])
async def emit_signal(
    body: SignalBody, master: Master, idempotency_key: IdempotencyKey, flow: Flow
) -> AcceptedAnswer:
    """Accept a signal: durable when answered, on its way to every follower's shard."""
    signal = await flow.accept(
        SignalRequest(
            master_id=master.user_id,
            proposal=body.proposal(),
            idempotency_key=checked_key(idempotency_key),
            request_hash=request_hash(body.model_dump(mode="json", exclude_defaults=True)),
        )
    )
    return accepted_answer(signal)


@router.post("/signals/reversals", status_code=202, tags=["signals"])
async def reverse_position(
    body: ReversalBody, master: Master, idempotency_key: IdempotencyKey, flow: Flow
) -> ReversalAnswer:
    """Accept an EXIT and a PLACE of the other side; an answer that was lost is asked for again."""
    key = hashlib.sha256(checked_key(idempotency_key).encode()).hexdigest()
    digest = request_hash(body.model_dump(mode="json", exclude_defaults=True))
    leave, entry = (
        SignalRequest(
            master_id=master.user_id,
            proposal=proposal,
            idempotency_key=f"reversal:{key}:{proposal.action}",
            request_hash=digest,
        )
        for proposal in body.proposals()
    )
    left, entered = await flow.reverse(leave, entry)
    return ReversalAnswer(exit=accepted_answer(left), entry=accepted_answer(entered))


@router.get("/signals", tags=["signals"])
async def own_signals(
    master: Master,
    repository: Repository,
    before: Annotated[int | None, Query(ge=1, description="The cursor of the page before.")] = None,
    limit: PageSize = 50,
) -> SignalsAnswer:
    signals = await repository.signals_of(master.user_id, before_seq=before, limit=limit)
    more = len(signals) == limit and signals[-1].seq > 1
    return SignalsAnswer(
        signals=[signal_answer(signal) for signal in signals],
        cursor=str(signals[-1].seq) if more else None,
    )


@router.get("/signals/{signal_id}", tags=["signals"])
async def own_signal(signal_id: UUID, master: Master, repository: Repository) -> SignalAnswer:
    signal = await repository.signal_of(master.user_id, str(signal_id))
    if signal is None:
        raise refusals.signal_unknown()
    return signal_answer(signal)


@router.post("/strategies", status_code=201, tags=["strategies"])
async def open_strategy(
    body: StrategyBody, master: Master, repository: Repository
) -> StrategyAnswer:
    strategy = await repository.add_strategy(
        str(uuid7()), master.user_id, body.name, body.description, body.equity, body.copy_mode
    )
    if strategy is None:
        raise refusals.name_taken(body.name)
    return strategy_answer(strategy)


@router.get("/strategies", tags=["strategies"])
async def all_strategies(
    _: Anyone, repository: Repository, before: UUID | None = None, limit: PageSize = 50
) -> StrategiesAnswer:
    strategies = await repository.strategies(before=_text(before), limit=limit)
    return StrategiesAnswer(
        strategies=[strategy_answer(strategy) for strategy in strategies],
        cursor=strategies[-1].strategy_id if len(strategies) == limit else None,
    )


@router.get("/strategies/{strategy_id}", tags=["strategies"])
async def one_strategy(strategy_id: UUID, _: Anyone, repository: Repository) -> StrategyAnswer:
    strategy = await repository.strategy(str(strategy_id))
    if strategy is None:
        raise refusals.strategy_unknown()
    return strategy_answer(strategy)


@router.patch("/strategies/{strategy_id}", tags=["strategies"])
async def describe_strategy(
    strategy_id: UUID, body: StrategyChangeBody, master: Master, repository: Repository
) -> StrategyAnswer:
    try:
        strategy = await repository.change_strategy(
            str(strategy_id),
            master.user_id,
            name=body.name,
            description=body.description,
            equity=body.equity,
        )
    except NameTaken as error:
        raise refusals.name_taken(str(body.name)) from error
    if strategy is None:
        raise refusals.strategy_not_yours()
    return strategy_answer(strategy)


@router.post("/follows", status_code=201, tags=["follows"])
async def follow_strategy(body: FollowBody, follower: Follower, flow: Flow) -> FollowAnswer:
    """Follow a strategy with an own, connected account, from the master's next signal on.

    Positions that the master holds already are not copied, nor are their exits: an exit closes
    only what this follow opened.
    """
    stored = await flow.follow(
        follower.user_id,
        strategy_id=str(body.strategy_id),
        account_id=str(body.account_id),
        sizing=body.sizing.sizing(),
        limits=body.limits.limits(),
    )
    return follow_answer(stored)


@router.get("/follows", tags=["follows"])
async def own_follows(
    follower: Follower, repository: Repository, before: UUID | None = None, limit: PageSize = 50
) -> FollowsAnswer:
    follows = await repository.follows_of(follower.user_id, before=_text(before), limit=limit)
    return FollowsAnswer(
        follows=[follow_answer(stored) for stored in follows],
        cursor=follows[-1].follow.follow_id if len(follows) == limit else None,
    )


@router.get("/follows/{follow_id}", tags=["follows"])
async def own_follow(follow_id: UUID, follower: Follower, repository: Repository) -> FollowAnswer:
    stored = await repository.follow_of(follower.user_id, str(follow_id))
    if stored is None:
        raise refusals.follow_unknown()
    return follow_answer(stored)


@router.patch("/follows/{follow_id}", tags=["follows"])
async def change_follow(
    follow_id: UUID, body: FollowChangeBody, follower: Follower, flow: Flow
) -> FollowAnswer:
    """Change the sizing, put other limits in place of all present ones, pause entries or resume.

    Exits and cancels keep flowing while paused, and no limit holds them up.
    """
    stored = await flow.change_follow(
        follower.user_id,
        str(follow_id),
        sizing=body.sizing.sizing() if body.sizing else None,
        limits=body.limits.limits() if body.limits else None,
        paused=body.paused,
    )
    return follow_answer(stored)


@router.delete("/follows/{follow_id}", tags=["follows"])
async def end_follow(follow_id: UUID, follower: Follower, flow: Flow) -> FollowAnswer:
    """End a follow after the master's last signal; ending it again changes nothing."""
    return follow_answer(await flow.end_follow(follower.user_id, str(follow_id)))


def _text(cursor: UUID | None) -> str | None:
    return str(cursor) if cursor else None
