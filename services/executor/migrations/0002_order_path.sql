-- Fewer and smaller indexes where a thousand orders are born at once (decision 0009).

-- An order is born without a broker's id.
DROP INDEX executor.orders_at_broker;
CREATE INDEX orders_at_broker ON executor.orders (account_id, broker_order_id)
    WHERE broker_order_id IS NOT NULL;

-- Order ids grow with time: newest first needs no further column. What changed since a cursor is
-- found in the history. A master's orders are found through the master's signals.
DROP INDEX executor.orders_of_user;
DROP INDEX executor.orders_of_master;
CREATE INDEX orders_of_user ON executor.orders (user_id, order_id);
CREATE INDEX inbox_of_master ON executor.inbox (master_id, seq);

-- Skipped orders opened nothing; accounts are few per signal and need no column.
DROP INDEX executor.orders_of_strategy;
CREATE INDEX orders_of_strategy ON executor.orders (strategy_id, instrument, product)
    WHERE state <> 'SKIPPED';
