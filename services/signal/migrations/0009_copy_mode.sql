-- What of the master's trading a strategy copies: each order, or what is filled.
-- depends: 0001_strategies_follows_signals

ALTER TABLE signal.strategies ADD COLUMN copy_mode text NOT NULL DEFAULT 'ORDERS'
    CHECK (copy_mode IN ('ORDERS', 'FILLS'));
