"""SQL that several files of the ledger share: the history suffix and the clauses of the claim."""

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from libs.trading.reasons import SkipReason, sentence

Connection = asyncpg.Connection | PoolConnectionProxy

# A statement that moved orders ends with this, so that no transition is ever without its history.
HISTORY_OF_MOVED = """
    INSERT INTO executor.order_history (order_id, version, broker, shard, state, reason, message,
        filled_quantity, average_price, broker_order_id, order_type, quantity, limit_price,
        trigger_price, sent_at)
    SELECT order_id, version, broker, shard, state, reason, message, filled_quantity,
        average_price, broker_order_id, order_type, quantity, limit_price, trigger_price, sent_at
    FROM moved
"""


def lease_held(shards: str, epochs: str, owner: str) -> str:
    """Say that the shard of `o` is ours: our lease, our epoch, not run out by the database's clock.

    The arguments name the statement's parameters. Asked once per statement, not once per row.
    """
    return f"""(o.broker, o.shard) IN (
    SELECT l.broker, l.shard FROM executor.shard_leases l
    JOIN unnest({shards}::int[], {epochs}::bigint[]) AS held (shard, epoch) USING (shard)
    WHERE l.owner = {owner} AND l.epoch = held.epoch AND l.until > clock_timestamp())"""


def shard_lease_held(owner: str, epoch: str) -> str:
    """Say that the one shard of a statement, broker $1 and shard $2, is ours."""
    return f"""EXISTS (SELECT FROM executor.shard_leases WHERE broker = $1 AND shard = $2
        AND owner = {owner} AND epoch = {epoch} AND until > clock_timestamp())"""


# A kill switch stops this order. Whether any is on at all is asked once per statement.
KILLED = """EXISTS (SELECT FROM executor.kill_switches_now)
        AND EXISTS (SELECT FROM executor.kill_switches_now k
        WHERE k.scope = 'PLATFORM'
            OR (k.scope = 'BROKER' AND k.subject = o.broker)
            OR (k.scope = 'STRATEGY' AND k.subject = o.strategy_id::text)
            OR (k.scope = 'MASTER' AND k.subject = o.master_id::text)
            OR (k.scope = 'ACCOUNT' AND k.subject = o.account_id::text)
            OR (k.scope = 'ALGO_ID' AND k.subject = o.algo_id))"""


def expired_figures(reason: str) -> str:
    """Spell the figures of an order `o` that EXPIRED; NULL for one that was born too old to live.

    By the moment the statement began, so that its words can say the same.
    """
    return f"""CASE
    WHEN {reason} = 'EXPIRED' AND o.expires_at >= o.accepted_at + interval '1 second'
    THEN jsonb_build_object(
        'age_s', ceil(extract(epoch FROM statement_timestamp() - o.accepted_at))::bigint::text,
        'lives_s', round(extract(epoch FROM o.expires_at - o.accepted_at))::bigint::text) END"""


def expired_words(figures: str, template: str) -> str:
    """Put those figures into words; NULL without them. `template` names a parameter."""
    return f"""CASE WHEN ({figures}) IS NOT NULL THEN
    format({template}::text, ({figures}) ->> 'age_s', ({figures}) ->> 'lives_s') END"""


# What `expired_words` fills in.
EXPIRED_TEMPLATE = sentence(SkipReason.EXPIRED, {"age_s": "%s", "lives_s": "%s"})

# Why an entry must not leave now, by what everybody decided a moment ago. NULL when it may.
ENTRY_STOP = f"""CASE
    WHEN {KILLED} THEN 'KILL'
    WHEN EXISTS (SELECT FROM signal.follows_now f WHERE f.follow_id = o.follow_id
        AND (f.paused OR f.until_seq IS NOT NULL)) THEN 'PAUSED'
    ELSE coalesce(
        (SELECT CASE WHEN s.reason IN ('NO_CONSENT', 'NO_REGIME', 'NO_EGRESS', 'NO_ALGO_ID')
            THEN s.reason ELSE 'DISCONNECTED' END
        FROM auth.stops s WHERE s.account_id = o.account_id AND s.algo_id IS NULL),
        CASE WHEN o.algo_id IS NOT NULL AND EXISTS (SELECT FROM auth.stops s
            WHERE s.account_id = o.account_id AND s.algo_id = o.algo_id) THEN 'NO_ALGO_ID' END)
END"""

# The master cancelled it while its request was on the wire; it came back unprocessed.
MASTER_CANCELLED = """EXISTS (SELECT FROM executor.commands c
    WHERE c.order_id = o.order_id AND c.kind = 'CANCEL')"""

# While one order of this account and instrument is in doubt, no further entry goes out. Doubts are
# few: they are listed once per statement. (Asked row by row, a planner that has never seen the
# table full may walk the whole instrument for each of a thousand rows; measured.)
IN_DOUBT = """((o.account_id, o.instrument) IN (SELECT d.account_id, d.instrument
    FROM executor.orders d WHERE d.state IN ('UNKNOWN', 'NEEDS_ATTENTION')))"""
