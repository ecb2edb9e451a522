"""How a follow begins, changes and ends. Pure; the caller holds the master's counter."""

from dataclasses import replace

from libs.trading.accounts import Account, AccountKind, SessionState
from libs.trading.follows import Follow, Sizing
from libs.trading.limits import NO_LIMITS, Limits
from services.signal import refusals
from services.signal.records import Strategy


def check_account(account: Account | None) -> Account:
    """Return the account. Raise `Problem` unless the caller may follow with it."""
    if account is None:
        raise refusals.account_unknown()
    if account.kind is not AccountKind.CLIENT:
        raise refusals.account_not_for_following()
    if account.session_state is not SessionState.CONNECTED:
        raise refusals.account_not_connected()
    return account


def begun(
    follow_id: str,
    user_id: str,
    *,
    strategy: Strategy,
    account: Account,
    sizing: Sizing,
    last_seq: int,
    limits: Limits = NO_LIMITS,
) -> Follow:
    """Cover what the master emits from now on. What the master holds already is not copied."""
    return Follow(
        follow_id=follow_id,
        strategy_id=strategy.strategy_id,
        master_id=strategy.master_id,
        user_id=user_id,
        account_id=account.account_id,
        broker=account.broker,
        sizing=sizing,
        limits=limits,
        from_seq=last_seq,
        version=1,
    )


def changed(
    follow: Follow, *, sizing: Sizing | None, paused: bool | None, limits: Limits | None = None
) -> Follow:
    """Take on new rules; the same follow, version and all, when nothing differs.

    New limits stand in for all of the old ones.
    """
    if follow.until_seq is not None:
        raise refusals.follow_ended()
    return _counted_on(
        follow,
        replace(
            follow,
            sizing=follow.sizing if sizing is None else sizing,
            limits=follow.limits if limits is None else limits,
            paused=follow.paused if paused is None else paused,
        ),
    )


def ended(follow: Follow, last_seq: int) -> Follow:
    """Cover nothing after now; an end stays where it is."""
    if follow.until_seq is not None:
        return follow
    return _counted_on(follow, replace(follow, until_seq=last_seq))


def _counted_on(before: Follow, after: Follow) -> Follow:
    return before if after == before else replace(after, version=before.version + 1)
