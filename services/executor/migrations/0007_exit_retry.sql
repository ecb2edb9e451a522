-- Exits that failed and are tried again: the order that stands in for another, and who asked for it.
-- Written by the executor alone.

-- A retry names the exit it stands in for. What would be too much for one order is cut into legs.
ALTER TABLE executor.orders ADD COLUMN retry_of uuid REFERENCES executor.orders;
CREATE UNIQUE INDEX orders_retry_of ON executor.orders (retry_of, leg) WHERE retry_of IS NOT NULL;

-- Exits that did not close all they should, or of which nobody knows whether they did.
CREATE INDEX orders_exits_failed ON executor.orders (broker, shard, changed_at)
    WHERE action = 'EXIT' AND state IN ('UNKNOWN', 'NEEDS_ATTENTION', 'SKIPPED', 'REJECTED',
        'CANCELLED', 'LAPSED', 'NOT_PLACED');
-- Whether what one of them left open was closed since: then it is nobody's task any more.
CREATE INDEX alarms_of_exits ON executor.alarms (subject, cleared_at) WHERE name = 'EXIT_FAILED';

-- What people asked to have tried again. Whoever serves the account's shard works out how much is
-- left to close and at which price; nobody does so after `expires_at`.
CREATE TABLE executor.exit_retries (
    retry_id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES executor.orders,
    broker text NOT NULL,
    shard integer NOT NULL,
    state text NOT NULL DEFAULT 'ASKED' CHECK (state IN ('ASKED', 'DONE', 'REFUSED')),
    reason text,
    message text NOT NULL DEFAULT '',
    asked_by uuid NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    decided_at timestamptz
);
-- Two taps are one wish; one that was refused may be repeated.
CREATE UNIQUE INDEX exit_retries_wanted ON executor.exit_retries (order_id)
    WHERE state <> 'REFUSED';
CREATE INDEX exit_retries_asked ON executor.exit_retries (broker, shard) WHERE state = 'ASKED';

GRANT SELECT, INSERT, UPDATE ON executor.exit_retries TO lockstep_executor;
