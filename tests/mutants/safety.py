"""The mutants: each clause that keeps an order from being sent twice, stale, stopped or unseen.

The words are exact: a mutant that no longer applies stops the run until it is written anew.
"""

from tests.mutants.mutant import Edit, Mutant

_BIRTHS = "services/executor/births.py"
_CLAIMING = "services/executor/claiming.py"
_STATEMENTS = "services/executor/statements.py"
_FOLDING = "services/executor/folding.py"
_STATES = "libs/trading/states.py"
_LEDGER_SQL = "services/executor/migrations/0001_ledger.sql"
_EVIDENCE_SQL = "services/auth/migrations/0003_evidence.sql"
_HTTP = "libs/brokers/http.py"
_RETRY = "services/executor/exit_retry.py"
_NEVER = "if False:\n        return R"

_CLAIMS_TESTS = ("tests/integration/executor/test_claims.py",)
_FLOW_TESTS = ("tests/integration/executor/test_flow.py",)
_STATE_TESTS = (
    "tests/unit/services/executor/test_folding.py",
    "tests/unit/libs/trading/test_states.py",
)

_LATE_COMMIT = """

async def _committed_late(pool: asyncpg.Pool, statement: str, *values: object) -> list:
    connection = await pool.acquire()
    transaction = connection.transaction()
    await transaction.start()
    rows = await connection.fetch(statement, *values)

    async def finish() -> None:
        import asyncio

        await asyncio.sleep(0.2)
        await transaction.commit()
        await pool.release(connection)

    import asyncio

    asyncio.get_running_loop().create_task(finish())
    return rows
"""

MUTANTS = (
    Mutant(
        name="R1 commit after send (born)",
        why="an order born SENDING leaves before its row is durable",
        edits=[
            Edit(
                file=_BIRTHS,
                old="rows = await connection.fetch(\n            _INSERT,",
                new="rows = await (_committed_late if isinstance(connection, asyncpg.Pool)"
                " else _fetched)(\n            connection, _INSERT,",
            ),
            Edit(
                file=_BIRTHS,
                old="\n\ndef _due(order: PlannedOrder",
                new=_LATE_COMMIT
                + "\n\nasync def _fetched(connection, statement, *values):\n"
                + "    return await connection.fetch(statement, *values)\n"
                + "\n\ndef _due(order: PlannedOrder",
            ),
        ],
        tests=_FLOW_TESTS,
    ),
    Mutant(
        name="R1 commit after send (claimed)",
        why="a claimed order leaves before its row is durable",
        edits=[
            Edit(
                file=_CLAIMING,
                old="rows = await self.pool.fetch(\n            statement,",
                new="rows = await _committed_late(\n            self.pool, statement,",
            ),
            Edit(
                file=_CLAIMING,
                old="\n\ndef _claim(\n",
                new=_LATE_COMMIT + "\n\ndef _claim(\n",
            ),
        ],
        tests=(*_FLOW_TESTS, *_CLAIMS_TESTS),
    ),
    Mutant(
        name="R2 UNKNOWN may be claimed",
        why="an order whose outcome is unknown is sent once more",
        edits=[
            Edit(
                file=_CLAIMING,
                old="AND o.state IN ('PLANNED', 'HELD') AND o.expires_at > clock_timestamp()",
                new="AND o.state IN ('PLANNED', 'HELD', 'UNKNOWN')"
                " AND o.expires_at > clock_timestamp()",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="R2 a lost answer holds the order",
        why="an order whose answer was lost goes back to a sendable state",
        edits=[
            Edit(
                file=_FOLDING,
                old="    if hold is None:\n"
                "        return Change(state=OrderState.UNKNOWN, message=word.message, due_in_s=0)",
                new="    if hold is None:\n        hold = HoldReason.BREAKER",
            )
        ],
        tests=(*_STATE_TESTS, *_FLOW_TESTS),
    ),
    Mutant(
        name="R2 UNKNOWN moves to HELD",
        why="the table of moves has an edge from UNKNOWN to a sendable state",
        edits=[
            Edit(
                file=_STATES,
                old="S.UNKNOWN: frozenset({S.NOT_PLACED,",
                new="S.UNKNOWN: frozenset({S.HELD, S.NOT_PLACED,",
            )
        ],
        tests=_STATE_TESTS,
    ),
    Mutant(
        name="R3 version of the compare-and-set",
        why="an order that somebody changed meanwhile is claimed",
        edits=[
            Edit(
                file=_CLAIMING,
                old="    WHERE o.order_id = due.order_id AND o.version = due.version\n"
                "        AND o.state IN ('PLANNED', 'HELD') AND o.expires_at > clock_timestamp()",
                new="    WHERE o.order_id = due.order_id\n"
                "        AND o.state IN ('PLANNED', 'HELD') AND o.expires_at > clock_timestamp()",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="R3 state of the compare-and-set",
        why="an order that may be at the broker is claimed again",
        edits=[
            Edit(
                file=_CLAIMING,
                old="AND o.state IN ('PLANNED', 'HELD') AND o.expires_at > clock_timestamp()",
                new="AND o.expires_at > clock_timestamp()",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="TTL clause (claimed)",
        why="an expired order is claimed",
        edits=[
            Edit(
                file=_CLAIMING,
                old="AND o.state IN ('PLANNED', 'HELD') AND o.expires_at > clock_timestamp()",
                new="AND o.state IN ('PLANNED', 'HELD')",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="TTL clause (born)",
        why="an expired order is born SENDING",
        edits=[
            Edit(
                file=_BIRTHS,
                old="o.ready AND o.expires_at > clock_timestamp()",
                new="o.ready",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="R2 a lost change goes again unseen",
        why="a modification whose answer was lost is sent again without a look",
        edits=[
            Edit(
                file=_CLAIMING,
                old="        AND (c.kind = 'CANCEL' OR c.attempts = 0"
                " OR c.compared_at > c.changed_at)\n",
                new="",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="lease clause",
        why="a replica without the lease sends",
        edits=[
            Edit(
                file=_STATEMENTS,
                old="    WHERE l.owner = {owner} AND l.epoch = held.epoch"
                " AND l.until > clock_timestamp())",
                new="    WHERE {owner}::text IS NOT NULL)",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="epoch of the lease",
        why="a replica that lost the lease and whose name holds it again sends what it had",
        edits=[
            Edit(file=_STATEMENTS, old=" AND l.epoch = held.epoch", new=""),
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="stop clause",
        why="kill switches, pauses and disconnects are not asked when money leaves",
        edits=[
            Edit(file=_BIRTHS, old="({ENTRY_STOP}) IS NULL", new="TRUE"),
            Edit(
                file=_CLAIMING,
                old="o.action = 'PLACE' AND ({ENTRY_STOP}) IS NULL",
                new="o.action = 'PLACE'",
            ),
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="evidence clause",
        why="a live order leaves without what the law asks of it",
        edits=[
            Edit(
                file=_EVIDENCE_SQL,
                old="                THEN auth.live_lack(a.account_id) END,",
                new="                THEN NULL END,",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="withdrawn evidence",
        why="evidence that is withdrawn goes on counting",
        edits=[
            Edit(
                file=_EVIDENCE_SQL,
                old="AFTER INSERT OR UPDATE OR DELETE ON auth.evidence",
                new="AFTER INSERT ON auth.evidence",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="algo id clause",
        why="an order leaves with an algo id that is registered no more",
        edits=[
            Edit(
                file=_STATEMENTS,
                old="s.algo_id = o.algo_id) THEN 'NO_ALGO_ID' END)",
                new="FALSE) THEN 'NO_ALGO_ID' END)",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="doubt clause",
        why="a second entry leaves while one in the same instrument is in doubt",
        edits=[
            Edit(file=_STATEMENTS, old="('UNKNOWN', 'NEEDS_ATTENTION')))", new="('NOWHERE')))"),
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="unique signal, account, leg, issue",
        why="a signal that is planned twice becomes two orders",
        edits=[
            Edit(
                file=_LEDGER_SQL,
                old="    change_id xid8 NOT NULL DEFAULT pg_current_xact_id(),\n"
                "    UNIQUE (signal_id, account_id, leg, issue)\n",
                new="    change_id xid8 NOT NULL DEFAULT pg_current_xact_id()\n",
            ),
            Edit(
                file=_BIRTHS,
                old="    ON CONFLICT (signal_id, account_id, leg, issue) DO NOTHING\n",
                new="",
            ),
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="unique client_order_id",
        why="two orders carry one tag, and a book row fits both",
        edits=[
            Edit(
                file=_LEDGER_SQL,
                old="client_order_id text NOT NULL UNIQUE,",
                new="client_order_id text NOT NULL,",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="inbox key",
        why="a redelivered signal is noted, and may be planned, again",
        edits=[
            Edit(
                file=_LEDGER_SQL,
                old="    at timestamptz NOT NULL DEFAULT clock_timestamp(),\n"
                "    PRIMARY KEY (broker, shard, signal_id)\n",
                new="    at timestamptz NOT NULL DEFAULT clock_timestamp()\n",
            )
        ],
        tests=_CLAIMS_TESTS,
    ),
    Mutant(
        name="every client error is NotSent",
        why="a request that may have arrived counts as never sent, and is sent again",
        edits=[
            Edit(
                file=_HTTP,
                old='    return OutcomeUnknown(f"no answer: {last}")',
                new='    return NotSent(f"no answer: {last}")',
            )
        ],
        tests=("tests/unit/libs/brokers/test_http.py",),
    ),
    Mutant(
        name="retry of an unclear exit",
        why="an exit that may still be filled is sent once more",
        edits=[
            Edit(file=_RETRY, old="if order.state in _UNCLEAR:\n        return R", new=_NEVER),
            Edit(file=_RETRY, old="if order.state not in _ENDED and", new="if False and"),
        ],
        tests=("tests/unit/services/executor/test_exit_retry.py",),
    ),
    Mutant(
        name="retry beside another exit",
        why="two exits that are planned at once close the same position",
        edits=[
            Edit(
                file="services/executor/exit_retry_rows.py",
                old="await self.connection.execute(_LOCK, order_id)",
                new="await self.connection.execute('SELECT 1')",
            )
        ],
        tests=("tests/integration/executor/test_exit_retry.py",),
    ),
)
