-- The figures behind the reason of an order that was not sent; NULL where it has none.
ALTER TABLE signal.report_orders ADD COLUMN figures jsonb;
