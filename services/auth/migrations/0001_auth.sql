-- Everything auth owns, the two views others may read, and who may do what.
-- depends:

CREATE TABLE auth.users (
    user_id uuid PRIMARY KEY,
    email text NOT NULL CHECK (email = lower(email)),
    display_name text NOT NULL,
    password_hash text NOT NULL,
    roles text[] NOT NULL CHECK (
        cardinality(roles) > 0
        AND roles <@ ARRAY['follower', 'master', 'viewer_operator', 'operator', 'admin']
    ),
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX users_email ON auth.users (email);

-- The cookie is a reference: only its SHA-256 is kept.
CREATE TABLE auth.sign_ins (
    token_hash text PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES auth.users,
    address text NOT NULL,
    user_agent text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX sign_ins_user ON auth.sign_ins (user_id, created_at);

-- Counts by account and by address; a subject is a hash, so that a password typed into the wrong
-- field is never kept.
CREATE TABLE auth.sign_in_failures (
    subject text PRIMARY KEY,
    failures int NOT NULL,
    last_failed_at timestamptz NOT NULL
);

CREATE TABLE auth.api_keys (
    key_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES auth.users,
    key_hash text NOT NULL UNIQUE,
    label text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_keys_user ON auth.api_keys (user_id, created_at);

-- One row per broker login of one user. A row without connected_at holds the place of an account
-- whose owner has stored an own broker app and not connected yet.
CREATE TABLE auth.broker_accounts (
    account_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES auth.users,
    broker text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('CLIENT', 'TRADER')),
    broker_client_id text CHECK ((broker_client_id IS NULL) = (connected_at IS NULL)),
    version bigint NOT NULL DEFAULT 1,
    session_state text NOT NULL
        CHECK (session_state IN ('CONNECTED', 'EXPIRED', 'ERROR', 'DISCONNECTED')),
    session_expires_at timestamptz,
    environment text NOT NULL DEFAULT 'PAPER' CHECK (environment IN ('PAPER', 'LIVE')),
    regime text NOT NULL DEFAULT 'PAPER'
        CHECK (regime IN ('PAPER', 'SELF', 'FAMILY', 'EMPANELLED', 'USER_APPROVED')),
    egress text,
    algo_id text,
    orders_per_second_max int CHECK (orders_per_second_max > 0),
    connected_at timestamptz,
    last_sync_at timestamptz,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX broker_accounts_client
    ON auth.broker_accounts (user_id, broker, kind, broker_client_id);
CREATE UNIQUE INDEX broker_accounts_linked
    ON auth.broker_accounts (user_id, broker, kind) WHERE session_state <> 'DISCONNECTED';
CREATE UNIQUE INDEX broker_accounts_waiting
    ON auth.broker_accounts (user_id, broker, kind) WHERE connected_at IS NULL;
CREATE INDEX broker_accounts_expiry
    ON auth.broker_accounts (session_expires_at) WHERE session_state = 'CONNECTED';
CREATE INDEX broker_accounts_changed ON auth.broker_accounts (changed_at);

-- Every secret is sealed under one of the account's two data keys, which are kept wrapped:
-- login_key for what gets a session, session_key for the session itself. Removing the row
-- destroys both keys.
CREATE TABLE auth.broker_credentials (
    account_id uuid PRIMARY KEY REFERENCES auth.broker_accounts,
    user_id uuid NOT NULL REFERENCES auth.users,
    broker_name text NOT NULL,
    client_id text,
    app_id text,
    access_token text,
    refresh_token text,
    api_secret text,
    more_fields jsonb NOT NULL DEFAULT '{}',
    login_key text NOT NULL,
    session_key text,
    connection_status text CHECK (connection_status IN ('connected', 'expired', 'error')),
    expires_at timestamptz,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE auth.consents (
    consent_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES auth.broker_accounts,
    user_id uuid NOT NULL REFERENCES auth.users,
    version int NOT NULL CHECK (version > 0),
    text_name text NOT NULL,
    text_hash text NOT NULL,
    limits jsonb NOT NULL DEFAULT '{}',
    address text NOT NULL,
    given_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    withdrawn_at timestamptz,
    UNIQUE (account_id, version)
);
CREATE INDEX consents_valid ON auth.consents (account_id) WHERE withdrawn_at IS NULL;

CREATE TABLE auth.login_states (
    state_hash text PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES auth.users,
    broker text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('CLIENT', 'TRADER')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX login_states_age ON auth.login_states (expires_at);

-- A row without a user is for the operators. Reads are per person.
CREATE TABLE auth.notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notice_id text NOT NULL UNIQUE,
    user_id uuid,
    kind text NOT NULL CHECK (kind IN ('NOTIFICATION', 'ALARM_OPENED', 'ALARM_CLEARED')),
    code text NOT NULL,
    subject text NOT NULL,
    figures jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX notifications_user ON auth.notifications (user_id, id);
CREATE INDEX notifications_age ON auth.notifications (stored_at);

CREATE TABLE auth.notification_reads (
    id bigint NOT NULL REFERENCES auth.notifications ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES auth.users,
    read_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id, user_id)
);

-- Append only: nobody is granted UPDATE or DELETE. Holds no credential.
CREATE TABLE auth.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor_id uuid,
    via text NOT NULL,
    address text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_subject ON auth.audit (subject, id);

CREATE TABLE auth.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    partitions int[] NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE auth.alarms (
    name text NOT NULL,
    subject text NOT NULL,
    user_id uuid,
    figures jsonb NOT NULL DEFAULT '{}',
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    cleared_at timestamptz
);
CREATE UNIQUE INDEX alarms_open ON auth.alarms (name, subject) WHERE cleared_at IS NULL;

CREATE VIEW auth.accounts_now AS
SELECT
    a.account_id,
    a.user_id,
    a.broker,
    a.kind,
    a.version,
    a.session_state,
    a.environment,
    a.regime,
    a.broker_client_id,
    a.session_expires_at,
    a.egress,
    a.algo_id,
    a.orders_per_second_max,
    (
        SELECT max(c.version) FROM auth.consents AS c
        WHERE c.account_id = a.account_id AND c.withdrawn_at IS NULL
    ) AS consent_version,
    a.changed_at
FROM auth.broker_accounts AS a
WHERE a.connected_at IS NOT NULL;

CREATE VIEW auth.stops AS
SELECT a.account_id, 'DISCONNECTED'::text AS reason
FROM auth.broker_accounts AS a
WHERE a.session_state = 'DISCONNECTED' AND a.connected_at IS NOT NULL
UNION ALL
SELECT a.account_id, 'USER_DISABLED'::text
FROM auth.broker_accounts AS a
JOIN auth.users AS u ON u.user_id = a.user_id
WHERE u.disabled_at IS NOT NULL AND a.connected_at IS NOT NULL
UNION ALL
SELECT a.account_id, 'NO_CONSENT'::text
FROM auth.broker_accounts AS a
WHERE
    a.environment = 'LIVE'
    AND a.connected_at IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM auth.consents AS c
        WHERE c.account_id = a.account_id AND c.withdrawn_at IS NULL
    );

GRANT SELECT, INSERT, UPDATE, DELETE ON
    auth.users, auth.sign_ins, auth.sign_in_failures, auth.api_keys, auth.broker_accounts,
    auth.broker_credentials, auth.consents, auth.login_states, auth.notifications,
    auth.notification_reads, auth.outbox, auth.alarms
TO lockstep_auth;
GRANT SELECT, INSERT ON auth.audit TO lockstep_auth;

GRANT SELECT ON auth.accounts_now TO
    lockstep_auth, lockstep_signal, lockstep_executor, lockstep_streaming;
GRANT SELECT ON auth.stops TO lockstep_auth, lockstep_executor;
