"""Rows of the views that services grant each other, as trading terms."""

from decimal import Decimal
from typing import Any, Protocol

from libs.contracts.limits_json import limits_of
from libs.trading.accounts import Account, AccountKind, Environment, Regime, SessionState
from libs.trading.follows import Follow, Sizing, SizingMode, WhenSmall


class Row(Protocol):
    """What a database driver returns."""

    def __getitem__(self, column: str, /) -> Any: ...


def account_of(row: Row) -> Account:
    """Read a row of `auth.accounts_now`."""
    return Account(
        account_id=row["account_id"],
        user_id=row["user_id"],
        broker=row["broker"],
        kind=AccountKind(row["kind"]),
        version=row["version"],
        session_state=SessionState(row["session_state"]),
        environment=Environment(row["environment"]),
        regime=Regime(row["regime"]),
        broker_client_id=row["broker_client_id"],
        session_expires_at=row["session_expires_at"],
        egress=row["egress"],
        algo_id=row["algo_id"],
        orders_per_second_max=row["orders_per_second_max"],
        consent_version=row["consent_version"],
        strategy_algo_ids=row["strategy_algo_ids"] or {},
    )


def follow_of(row: Row) -> Follow:
    """Read a row of `signal.follows_now`."""
    return Follow(
        follow_id=row["follow_id"],
        strategy_id=row["strategy_id"],
        master_id=row["master_id"],
        user_id=row["user_id"],
        account_id=row["account_id"],
        broker=row["broker"],
        sizing=Sizing(
            mode=SizingMode(row["sizing_mode"]),
            value=Decimal(row["sizing_value"]),
            when_small=WhenSmall(row["sizing_when_small"]),
        ),
        limits=limits_of(row["limits"]),
        from_seq=row["from_seq"],
        until_seq=row["until_seq"],
        paused=row["paused"],
        version=row["version"],
    )
