-- What reconciliation remembers: the broker's books as they were seen, decisions of people, the seal
-- of each day and the chain of hashes over the history.
-- Written by the executor alone.

-- A REISSUE names the order it stands in for.
ALTER TABLE executor.orders ADD COLUMN caused_by uuid REFERENCES executor.orders;
CREATE INDEX orders_at_work ON executor.orders (broker, shard, account_id)
    WHERE state IN ('ACKED', 'OPEN', 'PARTIAL');
-- What an account's orders filled on a day: ids grow with time.
CREATE INDEX orders_filled ON executor.orders (account_id, order_id) WHERE filled_quantity > 0;

-- When a change that was sent before was last compared with the order it changes.
ALTER TABLE executor.commands ADD COLUMN compared_at timestamptz;

-- Every order the broker's book of an account showed on a day. `order_id` names ours; one without
-- is EXTERNAL: its owner's own trading, kept as the baseline, never copied.
CREATE TABLE executor.known_broker_orders (
    account_id uuid NOT NULL,
    day date NOT NULL,
    broker_order_id text NOT NULL,
    order_id uuid,
    client_order_id text,
    status text NOT NULL,
    instrument text,
    side text,
    product text,
    order_type text,
    quantity bigint,
    limit_price numeric,
    trigger_price numeric,
    filled_quantity bigint NOT NULL DEFAULT 0,
    average_price numeric,
    placed_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, day, broker_order_id)
);

-- How far an account's reading has come on a day. A row is there once its first book was read.
CREATE TABLE executor.account_days (
    account_id uuid NOT NULL,
    day date NOT NULL,
    book_read_at timestamptz NOT NULL,
    -- Since then the quantities carried into the day are known.
    carried_at timestamptz,
    PRIMARY KEY (account_id, day)
);

-- Net quantity that no trade of the day explains: what the account brought along.
CREATE TABLE executor.carried_positions (
    account_id uuid NOT NULL,
    day date NOT NULL,
    instrument text NOT NULL,
    quantity bigint NOT NULL,
    PRIMARY KEY (account_id, day, instrument)
);

-- Orders that count as not placed, looked for in every later book until the day is sealed.
CREATE TABLE executor.watched_orders (
    order_id uuid PRIMARY KEY REFERENCES executor.orders,
    account_id uuid NOT NULL,
    broker text NOT NULL,
    shard integer NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    appeared_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX watched_orders_open ON executor.watched_orders (broker, shard) WHERE ended_at IS NULL;

-- What people decided about orders that need attention, and who.
CREATE TABLE executor.attention_decisions (
    decision_id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES executor.orders,
    order_version integer NOT NULL,
    decision text NOT NULL CHECK (decision IN ('LINK', 'MARK_NOT_PLACED', 'REISSUE', 'ABANDON')),
    reason text NOT NULL,
    broker_order_id text,
    -- NULL when no price is known: then a second person is asked as well.
    value_rupees numeric,
    state text NOT NULL CHECK (state IN ('PROPOSED', 'DONE', 'REPLACED', 'OVERTAKEN')),
    decided_by uuid NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    confirmed_by uuid,
    confirmed_at timestamptz,
    new_order_id uuid REFERENCES executor.orders,
    CHECK (confirmed_by IS NULL OR confirmed_by <> decided_by)
);
CREATE UNIQUE INDEX attention_decisions_open ON executor.attention_decisions (order_id)
    WHERE state = 'PROPOSED';
CREATE INDEX attention_decisions_of_order ON executor.attention_decisions (order_id, decided_at);

-- One link per stretch of whole transactions of a shard's history; each hash covers the one before.
CREATE TABLE executor.history_links (
    broker text NOT NULL,
    shard integer NOT NULL,
    n bigint NOT NULL,
    -- The rows of the transactions from `since` up to, not including, `before`.
    since xid8 NOT NULL,
    before xid8 NOT NULL,
    row_count integer NOT NULL,
    hash bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (broker, shard, n)
);

-- A shard's trading day, compared with the brokers and closed.
CREATE TABLE executor.day_seals (
    broker text NOT NULL,
    shard integer NOT NULL,
    day date NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    link_n bigint,
    link_hash bytea,
    figures jsonb NOT NULL,
    PRIMARY KEY (broker, shard, day)
);

GRANT SELECT, INSERT, UPDATE ON executor.known_broker_orders, executor.account_days,
    executor.watched_orders, executor.attention_decisions TO lockstep_executor;
-- What is appended stays as it is.
GRANT SELECT, INSERT ON executor.carried_positions, executor.history_links, executor.day_seals
    TO lockstep_executor;
