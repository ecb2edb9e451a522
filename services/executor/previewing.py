"""From a follower's question to a preview: whose account, which trades, which broker's rules."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from libs.brokers.manifest import BrokerManifest
from libs.brokers.protocol import InstrumentBook
from libs.contracts.fields import Body, Rupees
from libs.contracts.rules_json import LimitsBody, SizingBody, check_sizing
from libs.runtime.problems import Problem
from libs.trading.accounts import Account, AccountKind, SessionState
from libs.trading.calendar import trading_day
from services.executor.account_limits import AccountLimitRows
from services.executor.fanout import Stood
from services.executor.preview import TRADES_MAX, Asked, Preview, preview
from services.executor.repository import Repository


class PreviewBody(Body):
    """The rules of a follow that does not exist yet.

    `funds` and `equity` are rupees that sizes shall be reckoned with, instead of the account's
    own: those are known only where a follow asks for them already.
    """

    strategy_id: UUID
    account_id: UUID
    sizing: SizingBody
    limits: LimitsBody = LimitsBody()
    funds: Rupees | None = None
    equity: Rupees | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Previews:
    """`books` gives what a broker takes and lists; the account may be at any broker."""

    repository: Repository
    limits: AccountLimitRows
    standings: Stood
    books: Callable[[str], tuple[BrokerManifest, InstrumentBook]]

    async def of(self, user_id: str, body: PreviewBody) -> Preview:
        """Judge the last trades of a strategy. Raise `Problem` where no follow could begin."""
        sizing = body.sizing.sizing()
        check_sizing(sizing)
        account = _checked(await self.limits.account(str(body.account_id)), user_id)
        signals = await self.repository.last_entries(str(body.strategy_id), TRADES_MAX)
        if any(signal.master_id == user_id for signal in signals):
            raise Problem(
                409,
                "OWN_STRATEGY",
                "This is your own strategy. Follow somebody else's.",
                field="strategy_id",
            )
        standing = self.standings.of_account(account.account_id)
        asked = Asked(
            account=account,
            sizing=sizing,
            limits=body.limits.limits(),
            account_limits=(await self.limits.of(account)).limits,
            funds=_given(body.funds, standing.funds),
            equity=_given(body.equity, standing.equity),
        )
        # A list of another broker than our own may have to be read from disk first.
        manifest, instruments = await asyncio.to_thread(self.books, account.broker)
        today = trading_day(datetime.now(UTC))
        return preview(asked, signals, manifest, instruments, today=today)


def _given(figure: Decimal | None, known: Decimal | None) -> Decimal | None:
    return known if figure is None else figure


def _checked(account: Account | None, user_id: str) -> Account:
    """Return the account. Raise `Problem` unless this user may follow with it."""
    if account is None or account.user_id != user_id:
        raise Problem(
            404,
            "ACCOUNT_UNKNOWN",
            "account_id: you have no such broker account. Connect one first.",
            field="account_id",
        )
    if account.kind is not AccountKind.CLIENT:
        raise Problem(
            409,
            "ACCOUNT_NOT_FOR_FOLLOWING",
            "account_id: this is a master's account. Connect one as a follower.",
            field="account_id",
        )
    if account.session_state is not SessionState.CONNECTED:
        raise Problem(
            409,
            "ACCOUNT_NOT_CONNECTED",
            "account_id: please re-connect your broker, then look again.",
            field="account_id",
        )
    return account
