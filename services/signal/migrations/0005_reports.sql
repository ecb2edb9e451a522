-- What became of every signal at its followers, as far as order-events.v1 told: the copy reports.
-- Nothing here decides anything; the order ledger is the executor's.

-- One follower order in its newest known version. The ids are not references: an event may be read
-- before, or in spite of, anything else.
CREATE TABLE signal.report_orders (
    order_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    signal_id uuid NOT NULL,
    follow_id uuid NOT NULL,
    strategy_id uuid NOT NULL,
    master_id uuid NOT NULL,
    user_id uuid NOT NULL,
    account_id uuid NOT NULL,
    broker text NOT NULL,
    environment text NOT NULL,
    action text NOT NULL,
    instrument text NOT NULL,
    side text NOT NULL,
    product text NOT NULL,
    order_type text NOT NULL,
    quantity bigint NOT NULL,
    limit_price numeric,
    trigger_price numeric,
    state text NOT NULL,
    reason text,
    message text NOT NULL,
    filled_quantity bigint NOT NULL,
    average_price numeric,
    accepted_at timestamptz NOT NULL,
    planned_at timestamptz NOT NULL,
    sent_at timestamptz,
    -- When the ledger first heard of it: the earliest of all versions, whichever is newest.
    acknowledged_at timestamptz,
    filled_at timestamptz,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX report_orders_of_signal ON signal.report_orders (signal_id, order_id);
CREATE INDEX report_orders_of_follow ON signal.report_orders (follow_id, order_id);
CREATE INDEX report_orders_by_time ON signal.report_orders (planned_at);

-- What reports must know of a signal in columns; `signal.signals` keeps it as published.
CREATE TABLE signal.report_signals (
    signal_id uuid PRIMARY KEY,
    master_id uuid NOT NULL,
    strategy_id uuid NOT NULL,
    seq bigint NOT NULL,
    action text NOT NULL,
    parent_signal_id uuid,
    order_type text,
    limit_price numeric,
    broker_event_at timestamptz,
    accepted_at timestamptz NOT NULL,
    -- The bus's own stamp of its record; null until that was read.
    published_at timestamptz
);
CREATE INDEX report_signals_of_parent ON signal.report_signals (parent_signal_id)
    WHERE parent_signal_id IS NOT NULL;
CREATE INDEX report_signals_by_time ON signal.report_signals (accepted_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON signal.report_orders, signal.report_signals
    TO lockstep_signal;
