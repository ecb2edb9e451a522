-- Strategies, follows, signals and their outbox; what executor and streaming may read of them.
-- depends:

CREATE TABLE signal.strategies (
    strategy_id uuid PRIMARY KEY,
    master_id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 2000),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX strategies_name_per_master ON signal.strategies (master_id, lower(name));

-- One row per master: its lock hands out `seq` and draws the borders of follows.
CREATE TABLE signal.counters (
    master_id uuid PRIMARY KEY,
    last_seq bigint NOT NULL DEFAULT 0 CHECK (last_seq >= 0)
) WITH (fillfactor = 50);

-- `payload` is the record as published; the columns beside it are what we search by.
CREATE TABLE signal.signals (
    signal_id uuid PRIMARY KEY,
    master_id uuid NOT NULL,
    strategy_id uuid NOT NULL REFERENCES signal.strategies,
    seq bigint NOT NULL CHECK (seq > 0),
    action text NOT NULL CHECK (action IN ('PLACE', 'MODIFY', 'CANCEL', 'EXIT')),
    parent_signal_id uuid REFERENCES signal.signals,
    payload bytea NOT NULL,
    accepted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    idempotency_key text CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    request_hash bytea,
    UNIQUE (master_id, seq),
    UNIQUE (master_id, idempotency_key),
    CHECK (expires_at > accepted_at),
    CHECK ((action IN ('MODIFY', 'CANCEL')) = (parent_signal_id IS NOT NULL)),
    CHECK ((idempotency_key IS NULL) = (request_hash IS NULL))
);

CREATE TABLE signal.follows (
    follow_id uuid PRIMARY KEY,
    strategy_id uuid NOT NULL REFERENCES signal.strategies,
    master_id uuid NOT NULL,
    user_id uuid NOT NULL,
    account_id uuid NOT NULL,
    broker text NOT NULL,
    sizing_mode text NOT NULL CHECK (sizing_mode IN ('MULTIPLIER', 'FIXED_QUANTITY')),
    sizing_value numeric NOT NULL CHECK (sizing_value > 0),
    from_seq bigint NOT NULL CHECK (from_seq >= 0),
    until_seq bigint CHECK (until_seq >= from_seq),
    paused boolean NOT NULL DEFAULT false,
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX follows_one_running ON signal.follows (strategy_id, account_id)
    WHERE until_seq IS NULL;
CREATE INDEX follows_of_user ON signal.follows (user_id, follow_id);
CREATE INDEX follows_changed ON signal.follows (changed_at);
CREATE INDEX follows_of_account ON signal.follows (account_id);

CREATE TABLE signal.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    partitions int[] NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE signal.alarms (
    name text NOT NULL,
    subject text NOT NULL,
    user_id uuid,
    figures jsonb NOT NULL DEFAULT '{}',
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    cleared_at timestamptz
);
CREATE UNIQUE INDEX alarms_open ON signal.alarms (name, subject) WHERE cleared_at IS NULL;

CREATE VIEW signal.emitted AS
    SELECT signal_id, master_id, strategy_id, seq, payload, accepted_at, expires_at
    FROM signal.signals;

CREATE VIEW signal.follows_now AS
    SELECT follow_id, strategy_id, master_id, user_id, account_id, broker, sizing_mode,
        sizing_value, from_seq, until_seq, paused, version, changed_at
    FROM signal.follows;

GRANT USAGE ON SCHEMA signal TO lockstep_signal, lockstep_executor, lockstep_streaming;
GRANT SELECT, INSERT, UPDATE, DELETE ON signal.strategies, signal.counters, signal.signals,
    signal.follows, signal.outbox, signal.alarms TO lockstep_signal;
GRANT SELECT ON signal.emitted TO lockstep_executor;
GRANT SELECT ON signal.follows_now TO lockstep_executor, lockstep_streaming;
