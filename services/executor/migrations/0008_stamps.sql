-- When the first word arrived that the broker has an order, and when it was filled, as its broker
-- dates it. NULL until then, and for orders from before these were kept. Not among the ledger's
-- hashed history: its `at` is when each transition was written.
ALTER TABLE executor.orders ADD COLUMN acknowledged_at timestamptz, ADD COLUMN filled_at timestamptz;
