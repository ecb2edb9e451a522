"""From the symbol an alert writes to the one name an instrument has here. Pure; nothing is guessed.

What a symbol does not say exactly (which expiry, which character) is refused with the way out: an
entry in the mapping's own table of symbols.
"""

import re
from collections.abc import Mapping

from libs.trading.instruments import CASH_EXCHANGES, DERIVATIVE_EXCHANGES, parse_instrument
from services.signal.alerts import AlertRefused, quoted

# A chart shows a derivative under its cash exchange.
_DERIVATIVES_OF = {"NSE": "NFO", "BSE": "BFO"}
_BARE = re.compile(r"[A-Z0-9&.-]{1,40}")
# NIFTY261229C24500: the day is written out, so this names exactly one option.
_OPTION = re.compile(r"([A-Z0-9&.-]+?)([0-9]{2})([0-9]{2})([0-9]{2})([CP])([0-9]+(?:\.[0-9]+)?)")
_KINDS = {"C": "CE", "P": "PE"}
# NIFTYZ2026 and NIFTY26DECFUT name a month, and a month has several expiries.
_MONTH = re.compile(r"[A-Z&-]+[FGHJKMNQUVXZ]20[0-9]{2}|.*[0-9].*(FUT|CE|PE)")


def canonical(symbol: str, exchange: str | None, symbols: Mapping[str, str]) -> str:
    """Name the instrument. Raise `AlertRefused` for what is unknown or ambiguous.

    `exchange` is for a symbol that names none; `symbols` is the master's own table and goes first.
    """
    text = symbol.upper()
    own = symbols.get(text) or (symbols.get(f"{exchange}:{text}") if exchange else None)
    if own is not None:
        return own
    named, colon, rest = text.partition(":")
    if ":" in rest:
        return _parsed(text)
    if colon:
        return _of_exchange(named, rest)
    if not exchange:
        raise AlertRefused(
            f"instrument: {quoted(symbol)} names no exchange: send NSE:{named}, or give the "
            "mapping an exchange"
        )
    return _of_exchange(exchange, named)


def _of_exchange(exchange: str, bare: str) -> str:
    if exchange not in CASH_EXCHANGES | DERIVATIVE_EXCHANGES:
        raise AlertRefused(
            f"instrument: {quoted(exchange)} is no exchange here, only "
            f"{', '.join(sorted(CASH_EXCHANGES | DERIVATIVE_EXCHANGES))} are"
        )
    doubt = _doubt(bare)
    if doubt:
        raise AlertRefused(
            f"instrument: {quoted(f'{exchange}:{bare}')} {doubt}: say in `symbols` what it is"
        )
    option = _OPTION.fullmatch(bare)
    if option is not None:
        year, month, day = option[2], option[3], option[4]
        market = _DERIVATIVES_OF.get(exchange, exchange)
        expiry = f"20{year}-{month}-{day}"
        return _parsed(f"{market}:{option[1]}:{expiry}:{option[6]}:{_KINDS[option[5]]}")
    return _parsed(f"{exchange}:{bare}")


def _doubt(bare: str) -> str | None:
    if bare.endswith("!"):
        return "is a continuous chart and no contract"
    if bare.endswith("-EQ"):
        return "carries a series, the name here has none"
    if "_" in bare:
        return "may stand for & or for -"
    if _OPTION.fullmatch(bare) is None and _MONTH.fullmatch(bare):
        return "does not name the day of its expiry"
    return None if _BARE.fullmatch(bare) else "is not a symbol"


def _parsed(name: str) -> str:
    try:
        return str(parse_instrument(name))
    except ValueError as error:
        raise AlertRefused(f"instrument: {error}") from error
