-- Webhooks of strategies, the bodies they have seen a short while ago, and their last deliveries.
-- depends: 0001_strategies_follows_signals

CREATE TABLE signal.webhooks (
    webhook_id uuid PRIMARY KEY,
    strategy_id uuid NOT NULL REFERENCES signal.strategies,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    format text NOT NULL CHECK (format IN ('TRADINGVIEW', 'CHARTINK')),
    mapping jsonb NOT NULL,
    replay_window_s int NOT NULL CHECK (replay_window_s BETWEEN 5 AND 3600),
    secret_hash bytea NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    -- Sealed under a key derived from the path's secret, which is stored nowhere.
    signature_header text,
    sealed_signing_key text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    rotated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((signature_header IS NULL) = (sealed_signing_key IS NULL))
);
CREATE INDEX webhooks_of_strategy ON signal.webhooks (strategy_id, webhook_id);

-- When each body came first: the same body within its time is the same alert.
CREATE TABLE signal.webhook_alerts (
    webhook_id uuid NOT NULL REFERENCES signal.webhooks ON DELETE CASCADE,
    body_hash bytea NOT NULL,
    first_at timestamptz NOT NULL,
    PRIMARY KEY (webhook_id, body_hash)
);
CREATE INDEX webhook_alerts_by_time ON signal.webhook_alerts (webhook_id, first_at);

-- The last ones only; never what was sent.
CREATE TABLE signal.webhook_deliveries (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id uuid NOT NULL REFERENCES signal.webhooks ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome text NOT NULL,
    signal_ids uuid[] NOT NULL DEFAULT '{}',
    refused int NOT NULL DEFAULT 0,
    problem text NOT NULL DEFAULT '' CHECK (length(problem) <= 500)
);
CREATE INDEX webhook_deliveries_of_webhook ON signal.webhook_deliveries (webhook_id, delivery_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON signal.webhooks, signal.webhook_alerts,
    signal.webhook_deliveries TO lockstep_signal;
