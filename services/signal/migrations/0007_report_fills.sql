-- What a captured signal's own order filled at, at the master's broker: the price that copies of a
-- market order are measured by. Kept as long as reports are; captured orders are not.
-- depends: 0005_reports 0006_capture

CREATE TABLE signal.report_fills (
    signal_id uuid PRIMARY KEY,
    filled_quantity bigint NOT NULL CHECK (filled_quantity > 0),
    average_price numeric NOT NULL CHECK (average_price > 0),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX report_fills_by_time ON signal.report_fills (changed_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON signal.report_fills TO lockstep_signal;
