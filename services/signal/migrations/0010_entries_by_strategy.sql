-- A follower may look at what a strategy's last trades would have brought: executors find them here.
-- depends: 0001_strategies_follows_signals

CREATE INDEX signals_entries ON signal.signals (strategy_id, seq DESC) WHERE action = 'PLACE';

CREATE OR REPLACE VIEW signal.emitted AS
    SELECT signal_id, master_id, strategy_id, seq, payload, accepted_at, expires_at, action
    FROM signal.signals;
