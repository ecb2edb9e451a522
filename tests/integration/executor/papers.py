"""Live accounts in the database: consent and evidence as auth keeps them, and how they go."""

from tests.integration.executor.world import World

ALGO_ID, OTHER_ALGO_ID = "770001", "770002"

_CONSENT = """INSERT INTO auth.consents (consent_id, account_id, user_id, version, text_name,
        text_hash, address)
    SELECT gen_random_uuid(), account_id, user_id, 1, 'live', 'abc', '::1'
    FROM auth.broker_accounts"""
_RECORD = """INSERT INTO auth.evidence (evidence_id, account_id, kind, value, strategy_id,
        reference, recorded_by, valid_until)
    SELECT gen_random_uuid(), account_id, $1, $2, $3, 'letter', user_id,
        clock_timestamp() + interval '1 h'
    FROM auth.broker_accounts"""
_WITHDRAWN = """UPDATE auth.evidence SET closed_at = clock_timestamp(), closed_as = 'WITHDRAWN',
    closed_by = recorded_by WHERE kind = '{}' AND closed_at IS NULL"""
_RUN_OUT = """UPDATE auth.evidence SET recorded_at = recorded_at - interval '1 day',
    valid_until = clock_timestamp() WHERE kind = '{}'"""

# What is lost -> the reason an entry is skipped for, and the change that loses it.
LOSSES = {
    "consent is withdrawn": (
        "NO_CONSENT",
        "UPDATE auth.consents SET withdrawn_at = clock_timestamp()",
    ),
    "the regime is withdrawn": ("NO_REGIME", _WITHDRAWN.format("REGIME")),
    "the regime runs out": ("NO_REGIME", _RUN_OUT.format("REGIME")),
    "the way out is withdrawn": ("NO_EGRESS", _WITHDRAWN.format("EGRESS")),
    "the way out runs out": ("NO_EGRESS", _RUN_OUT.format("EGRESS")),
    "the algo id is withdrawn": ("NO_ALGO_ID", _WITHDRAWN.format("ALGO_ID")),
    "the algo id runs out": ("NO_ALGO_ID", _RUN_OUT.format("ALGO_ID")),
}


async def go_live(world: World) -> None:
    """Make every account live, with all that its orders need."""
    await world.owner.execute("UPDATE auth.broker_accounts SET environment = 'LIVE'")
    await world.owner.execute(_CONSENT)
    await record(world, "REGIME", "SELF")
    await record(world, "EGRESS", "mumbai-1")
    await record(world, "ALGO_ID", ALGO_ID)


async def record(world: World, kind: str, value: str, *, strategy_id: str | None = None) -> None:
    await world.owner.execute(_RECORD, kind, value, strategy_id)


async def change_algo_id(world: World) -> None:
    """Put another id in the place of the one that planned orders carry."""
    await world.owner.execute(_WITHDRAWN.format("ALGO_ID"))
    await record(world, "ALGO_ID", OTHER_ALGO_ID)
