"""What a live order needs besides the account's session (India, since April 2026), stated once.

Paper needs none of it. auth's view `auth.stops` asks the same at the moment of sending, in SQL; a
test holds the two together.
"""

from collections.abc import Iterator

from libs.trading.accounts import Account, Environment, Regime
from libs.trading.reasons import SkipReason

# The owner sends each order himself, from his own address: it is not an algorithm's.
_BY_HAND = frozenset({Regime.USER_APPROVED})


def missing_for_entry(account: Account, strategy_id: str | None = None) -> SkipReason | None:
    """Name the first thing without which no entry may be sent; None if nothing is missing.

    Without a strategy: of one that has no algo id of its own.
    """
    if account.environment is Environment.PAPER:
        return None
    return next(lacking(account, strategy_id), None)


def missing_for_exit(account: Account) -> SkipReason | None:
    """Name what an exit cannot do without: the owner's consent, and a way to the broker.

    Exits reduce risk: evidence that has run out, or an algo id that was withdrawn, stops entries
    and leaves nobody with a position that he cannot get out of.
    """
    if account.environment is Environment.PAPER:
        return None
    if account.consent_version is None:
        return SkipReason.NO_CONSENT
    # Without a regime in force nobody knows that the owner sends by hand: a way is asked for.
    if account.regime not in _BY_HAND and account.egress is None:
        return SkipReason.NO_EGRESS
    return None


def lacking(account: Account, strategy_id: str | None = None) -> Iterator[SkipReason]:
    """Go through all that live entries lack, in the order of telling; environment is not asked.

    Without a strategy: one that has no algo id of its own.
    """
    if account.consent_version is None:
        yield SkipReason.NO_CONSENT
    if account.regime is Regime.PAPER:
        yield SkipReason.NO_REGIME
    if account.regime in _BY_HAND:
        return
    if account.egress is None:
        yield SkipReason.NO_EGRESS
    if account.algo_id_of(strategy_id or "") is None:
        yield SkipReason.NO_ALGO_ID
