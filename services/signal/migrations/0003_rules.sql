-- All sizing modes, what becomes of less than one lot, and each follow's limits. Old follows keep
-- what they had: no limits, and a skip where the share is too small.
-- depends: 0001_strategies_follows_signals

ALTER TABLE signal.follows
    DROP CONSTRAINT follows_sizing_mode_check,
    ADD CONSTRAINT follows_sizing_mode_check CHECK (sizing_mode IN (
        'MULTIPLIER', 'FIXED_QUANTITY', 'FIXED_VALUE', 'FUNDS_SHARE', 'EQUITY_PROPORTIONAL')),
    ADD COLUMN sizing_when_small text NOT NULL DEFAULT 'SKIP'
        CHECK (sizing_when_small IN ('SKIP', 'ONE_LOT')),
    -- As libs/contracts/limits_json.py writes them: only what is set.
    ADD COLUMN limits jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(limits) = 'object');

CREATE OR REPLACE VIEW signal.follows_now AS
    SELECT follow_id, strategy_id, master_id, user_id, account_id, broker, sizing_mode,
        sizing_value, from_seq, until_seq, paused, version, changed_at, sizing_when_small, limits
    FROM signal.follows;
