"""Sorts one batch of records by what they are. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from libs.contracts.codec import Record, Undecodable
from libs.trading.accounts import Account
from libs.trading.events import BrokerUpdate
from libs.trading.follows import Follow
from libs.trading.signals import Signal
from services.executor.rows import Word


@dataclass(slots=True)
class Heard:
    """A signal arrives once per owned shard; here it stands once, with its shards."""

    signals: dict[str, tuple[Signal, set[int]]] = field(default_factory=dict)
    follows: list[Follow] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    dead: list[Undecodable] = field(default_factory=list)

    def in_order(self) -> list[tuple[Signal, list[int]]]:
        """List signals by master and seq."""
        known = sorted(self.signals.values(), key=lambda item: (item[0].master_id, item[0].seq))
        return [(signal, sorted(shards)) for signal, shards in known]


def sorted_out(records: Iterable[Record | Undecodable], broker: str) -> Heard:
    """Sort a batch; updates of other brokers' accounts fall away."""
    heard = Heard()
    for record in records:
        if isinstance(record, Undecodable):
            heard.dead.append(record)
            continue
        match record.event:
            case Signal() as signal:
                heard.signals.setdefault(signal.signal_id, (signal, set()))[1].add(record.partition)
            case Follow() as follow:
                heard.follows.append(follow)
            case Account() as account:
                heard.accounts.append(account)
            case BrokerUpdate() as update if update.broker == broker:
                heard.words.append(_word(update))
            case _:
                pass
    return heard


def _word(update: BrokerUpdate) -> Word:
    return Word(
        account_id=update.account_id,
        source=update.source,
        received_at=update.received_at,
        report=update.report,
    )
