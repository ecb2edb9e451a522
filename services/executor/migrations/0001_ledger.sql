-- The order ledger of every broker: what each follower shall get, what was sent, what became of it.
-- Written by the executor alone. Every state change is a compare-and-set on (order_id, version).

CREATE TABLE executor.orders (
    order_id uuid PRIMARY KEY,
    signal_id uuid NOT NULL,
    account_id uuid NOT NULL,
    leg smallint NOT NULL DEFAULT 0,
    issue smallint NOT NULL DEFAULT 0,
    client_order_id text NOT NULL UNIQUE,
    broker text NOT NULL,
    shard integer NOT NULL,
    master_id uuid NOT NULL,
    strategy_id uuid NOT NULL,
    follow_id uuid NOT NULL,
    user_id uuid NOT NULL,
    seq bigint NOT NULL,
    environment text NOT NULL,
    action text NOT NULL CHECK (action IN ('PLACE', 'EXIT')),
    instrument text NOT NULL,
    side text NOT NULL,
    product text NOT NULL,
    validity text NOT NULL,
    order_type text NOT NULL,
    quantity bigint NOT NULL,
    limit_price numeric,
    trigger_price numeric,
    algo_id text,
    -- Frozen at planning, changed only by a modification that came before sending.
    request_hash bytea NOT NULL,
    state text NOT NULL,
    reason text,
    message text NOT NULL DEFAULT '',
    version integer NOT NULL DEFAULT 1,
    attempts smallint NOT NULL DEFAULT 0,
    broker_order_id text,
    filled_quantity bigint NOT NULL DEFAULT 0,
    average_price numeric,
    accepted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    planned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the SENDING commit was made and until when its answer may come.
    sent_at timestamptz,
    deadline timestamptz,
    -- PLANNED, HELD: not before this. UNKNOWN: when to look at the book next.
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Complete book reads after the deadline that did not show the order.
    looks smallint NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The transaction of the last change: the cursor of GET /orders?after=.
    change_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    UNIQUE (signal_id, account_id, leg, issue)
) WITH (fillfactor = 70);

CREATE INDEX orders_to_do ON executor.orders (broker, shard, due_at)
    WHERE state IN ('PLANNED', 'HELD', 'SENDING', 'UNKNOWN');
CREATE INDEX orders_in_doubt ON executor.orders (account_id, instrument)
    WHERE state IN ('UNKNOWN', 'NEEDS_ATTENTION');
CREATE INDEX orders_at_broker ON executor.orders (account_id, broker_order_id);
CREATE INDEX orders_of_strategy ON executor.orders (strategy_id, instrument, product, account_id);
CREATE INDEX orders_of_user ON executor.orders (user_id, change_id);
CREATE INDEX orders_of_master ON executor.orders (master_id, change_id);

-- Changes to an order that is at its broker. The order row itself is its PLACE command.
CREATE TABLE executor.commands (
    order_id uuid NOT NULL REFERENCES executor.orders,
    n smallint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('MODIFY', 'CANCEL')),
    state text NOT NULL DEFAULT 'DUE'
        CHECK (state IN ('DUE', 'SENDING', 'DONE', 'REFUSED', 'DROPPED')),
    broker text NOT NULL,
    shard integer NOT NULL,
    signal_id uuid NOT NULL,
    order_type text,
    quantity bigint,
    limit_price numeric,
    trigger_price numeric,
    expires_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    deadline timestamptz,
    attempts smallint NOT NULL DEFAULT 0,
    message text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (order_id, n),
    UNIQUE (order_id, signal_id)
);
CREATE INDEX commands_to_do ON executor.commands (broker, shard, due_at)
    WHERE state IN ('DUE', 'SENDING');

-- Every transition, append-only. Also the outbox of order-events.v1 (decision 0003).
CREATE TABLE executor.order_history (
    order_id uuid NOT NULL,
    version integer NOT NULL,
    broker text NOT NULL,
    shard integer NOT NULL,
    state text NOT NULL,
    reason text,
    message text NOT NULL DEFAULT '',
    filled_quantity bigint NOT NULL DEFAULT 0,
    average_price numeric,
    broker_order_id text,
    order_type text NOT NULL,
    quantity bigint NOT NULL,
    limit_price numeric,
    trigger_price numeric,
    sent_at timestamptz,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    change_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (order_id, version)
);
CREATE INDEX order_history_to_publish ON executor.order_history (broker, shard, change_id);

-- Up to which transaction the history of a shard is published.
CREATE TABLE executor.published (
    broker text NOT NULL,
    shard integer NOT NULL,
    before xid8 NOT NULL,
    PRIMARY KEY (broker, shard)
);

-- Everything a broker said about an order of ours, append-only.
CREATE TABLE executor.observations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid,
    account_id uuid NOT NULL,
    source text NOT NULL,
    received_at timestamptz NOT NULL,
    broker_order_id text,
    status text,
    filled_quantity bigint,
    average_price numeric,
    code text,
    message text NOT NULL DEFAULT '',
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX observations_of_order ON executor.observations (order_id);

CREATE TABLE executor.inbox (
    broker text NOT NULL,
    shard integer NOT NULL,
    signal_id uuid NOT NULL,
    master_id uuid NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (broker, shard, signal_id)
);

CREATE TABLE executor.planned_seqs (
    broker text NOT NULL,
    shard integer NOT NULL,
    master_id uuid NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (broker, shard, master_id)
);

CREATE TABLE executor.shard_leases (
    broker text NOT NULL,
    shard integer NOT NULL,
    owner text NOT NULL,
    epoch bigint NOT NULL DEFAULT 1,
    until timestamptz NOT NULL,
    PRIMARY KEY (broker, shard)
);

CREATE TABLE executor.kill_switches (
    scope text NOT NULL
        CHECK (scope IN ('PLATFORM', 'BROKER', 'STRATEGY', 'MASTER', 'ACCOUNT', 'ALGO_ID')),
    subject text NOT NULL DEFAULT '',
    is_on boolean NOT NULL DEFAULT true,
    reason text NOT NULL,
    changed_by uuid NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (scope, subject)
);

CREATE VIEW executor.kill_switches_now AS
    SELECT scope, subject FROM executor.kill_switches WHERE is_on;

CREATE TABLE executor.account_limits (
    account_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    limits jsonb NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE executor.budgets (
    account_id uuid NOT NULL,
    day date NOT NULL,
    kind text NOT NULL,
    used bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, day, kind)
);

CREATE TABLE executor.approvals (
    order_id uuid PRIMARY KEY REFERENCES executor.orders,
    approve_until timestamptz NOT NULL,
    transaction_id text,
    transaction_expires_at timestamptz,
    decided_at timestamptz,
    decision text
);

CREATE TABLE executor.dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    key bytea,
    raw bytea NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    error text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (topic, partition, "offset")
);

CREATE TABLE executor.alarms (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    subject text NOT NULL,
    user_id uuid,
    figures jsonb NOT NULL DEFAULT '{}',
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    cleared_at timestamptz
);
CREATE UNIQUE INDEX alarms_open ON executor.alarms (name, subject) WHERE cleared_at IS NULL;

CREATE TABLE executor.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    partitions integer[] NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA executor TO lockstep_executor;
-- What is appended stays as it is.
REVOKE UPDATE ON executor.order_history, executor.observations, executor.inbox FROM lockstep_executor;
GRANT DELETE ON executor.outbox TO lockstep_executor;
GRANT SELECT ON executor.kill_switches_now TO lockstep_auth, lockstep_signal, lockstep_streaming;
