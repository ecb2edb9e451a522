"""The topics by name, what each carries, and which are sharded by account.

How many partitions, how long kept: `deploy/kafka/topics.yml`.
"""

from libs.trading.accounts import Account
from libs.trading.events import BrokerUpdate, DeadLetter, Notice, OrderChanged
from libs.trading.follows import Follow
from libs.trading.signals import Signal

SIGNALS = "signals.v1"
FOLLOW_EVENTS = "follow-events.v1"
SESSION_EVENTS = "session-events.v1"
BROKER_UPDATES = "broker-updates.v1"
ORDER_EVENTS = "order-events.v1"
NOTICES = "notices.v1"
DEAD_LETTERS = "dead-letters.v1"

# What an executor consumes. Their partitions must stay together, so one consumer reads them all.
EXECUTOR_INPUT = (SIGNALS, FOLLOW_EVENTS, SESSION_EVENTS, BROKER_UPDATES)
SHARDED = (*EXECUTOR_INPUT, ORDER_EVENTS)

TYPE_OF_TOPIC: dict[str, type] = {
    SIGNALS: Signal,
    FOLLOW_EVENTS: Follow,
    SESSION_EVENTS: Account,
    BROKER_UPDATES: BrokerUpdate,
    ORDER_EVENTS: OrderChanged,
    NOTICES: Notice,
    DEAD_LETTERS: DeadLetter,
}
