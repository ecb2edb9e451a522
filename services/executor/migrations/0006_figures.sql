-- The figures behind the reason of an order that was not sent, as its sentence has them: decimal
-- strings and names. NULL where the reason has none; not among the ledger's hashed history, whose
-- `reason` and `message` say the same.
ALTER TABLE executor.orders ADD COLUMN figures jsonb;
