-- Capture: which account of a master feeds a strategy, the orders seen there, what they add up to.
-- depends: 0001_strategies_follows_signals

-- `began_at` is the watermark: an order placed before it is history and never copied.
CREATE TABLE signal.captures (
    strategy_id uuid PRIMARY KEY REFERENCES signal.strategies,
    master_id uuid NOT NULL,
    account_id uuid NOT NULL,
    broker text NOT NULL,
    broker_client_id text NOT NULL,
    is_on boolean NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Two strategies must not both copy one order. Kept by login: it may be connected twice.
CREATE UNIQUE INDEX captures_one_per_login ON signal.captures (broker, broker_client_id)
    WHERE is_on;

-- One row per order that was new, with the signal it became or why it became none.
CREATE TABLE signal.captured_orders (
    account_id uuid NOT NULL,
    broker_order_id text NOT NULL,
    strategy_id uuid NOT NULL REFERENCES signal.strategies,
    instrument text,
    side text,
    product text,
    order_type text,
    quantity bigint,
    limit_price numeric,
    trigger_price numeric,
    status text NOT NULL,
    filled_quantity bigint NOT NULL DEFAULT 0,
    action text CHECK (action IN ('PLACE', 'EXIT')),
    signal_id uuid,
    changes int NOT NULL DEFAULT 0,
    problem text NOT NULL DEFAULT '',
    placed_at timestamptz NOT NULL,
    feed_at timestamptz,
    feed_received_at timestamptz,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, broker_order_id),
    CHECK ((action IS NULL) = (signal_id IS NULL))
);
CREATE INDEX captured_orders_of_strategy
    ON signal.captured_orders (strategy_id, placed_at, broker_order_id);
CREATE INDEX captured_orders_by_age ON signal.captured_orders (account_id, changed_at);

-- What the copied orders of an account have filled, net: an order that closes it is an exit.
CREATE TABLE signal.captured_positions (
    account_id uuid NOT NULL,
    strategy_id uuid NOT NULL REFERENCES signal.strategies,
    instrument text NOT NULL,
    product text NOT NULL,
    net_quantity bigint NOT NULL,
    PRIMARY KEY (account_id, strategy_id, instrument, product)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON signal.captures, signal.captured_orders,
    signal.captured_positions TO lockstep_signal;
