-- What the law asks of a live account, as evidence with a beginning and an end; it replaces the
-- plain columns. Paper accounts show none of it.
-- depends: 0002_stops_once

-- What stands now is what is not closed and has not run out. Nothing is overwritten: new evidence
-- closes the old row, and who may write may not delete.
CREATE TABLE auth.evidence (
    evidence_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES auth.broker_accounts,
    kind text NOT NULL CHECK (kind IN ('REGIME', 'EGRESS', 'ALGO_ID')),
    -- An algo id of one strategy alone; NULL is for all that have none of their own.
    strategy_id uuid CHECK (strategy_id IS NULL OR kind = 'ALGO_ID'),
    -- The regime, the name of the egress profile, the algo id.
    value text NOT NULL CHECK (value <> ''),
    details jsonb NOT NULL DEFAULT '{}',
    -- Where the paper is that proves it.
    reference text NOT NULL CHECK (reference <> ''),
    recorded_by uuid NOT NULL REFERENCES auth.users,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    valid_until timestamptz CHECK (valid_until > recorded_at),
    closed_at timestamptz,
    closed_as text CHECK (closed_as IN ('REPLACED', 'WITHDRAWN', 'RAN_OUT')),
    closed_by uuid REFERENCES auth.users,
    closed_reason text NOT NULL DEFAULT '',
    CHECK (kind <> 'REGIME' OR value IN ('SELF', 'FAMILY', 'EMPANELLED', 'USER_APPROVED')),
    CHECK ((closed_at IS NULL) = (closed_as IS NULL)),
    -- Time closes by itself, everything else has somebody who did it.
    CHECK ((closed_by IS NULL) = (closed_as IS NULL OR closed_as = 'RAN_OUT'))
);
CREATE UNIQUE INDEX evidence_open ON auth.evidence (account_id, kind, strategy_id)
NULLS NOT DISTINCT WHERE closed_at IS NULL;
CREATE INDEX evidence_account ON auth.evidence (account_id, recorded_at);
CREATE INDEX evidence_expiry ON auth.evidence (valid_until)
WHERE closed_at IS NULL AND valid_until IS NOT NULL;

-- Few are: whether somebody is costs the statement that sends orders next to nothing.
CREATE INDEX users_disabled ON auth.users (user_id) WHERE disabled_at IS NOT NULL;

CREATE OR REPLACE VIEW auth.accounts_now AS
SELECT
    a.account_id,
    a.user_id,
    a.broker,
    a.kind,
    a.version,
    a.session_state,
    a.environment,
    CASE WHEN a.environment = 'LIVE' THEN coalesce((
        SELECT e.value FROM auth.evidence AS e
        WHERE e.account_id = a.account_id AND e.kind = 'REGIME' AND e.closed_at IS NULL
            AND (e.valid_until IS NULL OR e.valid_until > clock_timestamp())
    ), 'PAPER') ELSE 'PAPER' END AS regime,
    a.broker_client_id,
    a.session_expires_at,
    CASE WHEN a.environment = 'LIVE' THEN (
        SELECT e.value FROM auth.evidence AS e
        WHERE e.account_id = a.account_id AND e.kind = 'EGRESS' AND e.closed_at IS NULL
            AND (e.valid_until IS NULL OR e.valid_until > clock_timestamp())
    ) END AS egress,
    CASE WHEN a.environment = 'LIVE' THEN (
        SELECT e.value FROM auth.evidence AS e
        WHERE e.account_id = a.account_id AND e.kind = 'ALGO_ID' AND e.strategy_id IS NULL
            AND e.closed_at IS NULL
            AND (e.valid_until IS NULL OR e.valid_until > clock_timestamp())
    ) END AS algo_id,
    a.orders_per_second_max,
    (
        SELECT max(c.version) FROM auth.consents AS c
        WHERE c.account_id = a.account_id AND c.withdrawn_at IS NULL
    ) AS consent_version,
    a.changed_at,
    CASE WHEN a.environment = 'LIVE' THEN (
        SELECT jsonb_object_agg(e.strategy_id, e.value) FROM auth.evidence AS e
        WHERE e.account_id = a.account_id AND e.kind = 'ALGO_ID' AND e.strategy_id IS NOT NULL
            AND e.closed_at IS NULL
            AND (e.valid_until IS NULL OR e.valid_until > clock_timestamp())
    ) END AS strategy_algo_ids
FROM auth.broker_accounts AS a
WHERE a.connected_at IS NOT NULL;

-- The statement that sends orders asks auth.stops about every order of a fan-out and is planned for
-- every chunk of it. So an account carries until when nothing is missing, and only where that is over
-- the functions look what is. They see the caller's snapshot.
ALTER TABLE auth.broker_accounts ADD COLUMN lawful_until timestamptz NOT NULL DEFAULT '-infinity';

-- What a live account lacks, in the order of libs/trading/lawful.py.
CREATE FUNCTION auth.live_lack(account uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT CASE
        WHEN NOT EXISTS (
            SELECT FROM auth.consents AS c WHERE c.account_id = account AND c.withdrawn_at IS NULL
        ) THEN 'NO_CONSENT'
        WHEN count(*) FILTER (WHERE e.kind = 'REGIME') = 0 THEN 'NO_REGIME'
        WHEN count(*) FILTER (WHERE e.kind = 'REGIME' AND e.value = 'USER_APPROVED') > 0 THEN NULL
        WHEN count(*) FILTER (WHERE e.kind = 'EGRESS') = 0 THEN 'NO_EGRESS'
        WHEN count(*) FILTER (WHERE e.kind = 'ALGO_ID') = 0 THEN 'NO_ALGO_ID'
    END
    FROM auth.evidence AS e
    WHERE e.account_id = account AND e.closed_at IS NULL
        AND (e.valid_until IS NULL OR e.valid_until > clock_timestamp())
$$;

CREATE FUNCTION auth.algo_id_stands(account uuid, algo_id text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT EXISTS (
        SELECT FROM auth.evidence AS e
        WHERE e.account_id = account AND e.kind = 'ALGO_ID' AND e.value = algo_id
            AND e.closed_at IS NULL
            AND (e.valid_until IS NULL OR e.valid_until > clock_timestamp())
    )
$$;

CREATE FUNCTION auth.keep_lawful_until() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    changed uuid := coalesce(NEW.account_id, OLD.account_id);
BEGIN
    -- Two changes at once: the second one counts what the first one left.
    PERFORM FROM auth.broker_accounts WHERE account_id = changed FOR UPDATE;
    UPDATE auth.broker_accounts SET lawful_until = CASE
        WHEN auth.live_lack(changed) IS NULL THEN coalesce((
            SELECT min(e.valid_until) FROM auth.evidence AS e
            WHERE e.account_id = changed AND e.closed_at IS NULL
        ), 'infinity') ELSE '-infinity' END
    WHERE account_id = changed;
    RETURN NULL;
END
$$;
CREATE TRIGGER evidence_lawful_until AFTER INSERT OR UPDATE OR DELETE ON auth.evidence
FOR EACH ROW EXECUTE FUNCTION auth.keep_lawful_until();
CREATE TRIGGER consents_lawful_until AFTER INSERT OR UPDATE OR DELETE ON auth.consents
FOR EACH ROW EXECUTE FUNCTION auth.keep_lawful_until();

-- Why entries of an account must not be sent, and, with an algo_id, those that carry that id: it was
-- registered once and stands no more.
CREATE OR REPLACE VIEW auth.stops AS
SELECT why.account_id, why.reason, NULL::text AS algo_id
FROM (
    SELECT
        a.account_id,
        coalesce(
            CASE WHEN a.environment = 'LIVE' AND a.lawful_until <= clock_timestamp()
                THEN auth.live_lack(a.account_id) END,
            CASE WHEN a.session_state = 'DISCONNECTED' THEN 'DISCONNECTED' END,
            CASE WHEN EXISTS (
                SELECT FROM auth.users AS u
                WHERE u.user_id = a.user_id AND u.disabled_at IS NOT NULL
            ) THEN 'USER_DISABLED' END
        ) AS reason
    FROM auth.broker_accounts AS a
    WHERE a.connected_at IS NOT NULL
) AS why
WHERE why.reason IS NOT NULL
UNION ALL
SELECT e.account_id, 'NO_ALGO_ID', e.value
FROM auth.evidence AS e
WHERE e.kind = 'ALGO_ID'
    AND (e.closed_at IS NOT NULL OR e.valid_until <= clock_timestamp())
    AND NOT auth.algo_id_stands(e.account_id, e.value);

REVOKE ALL ON FUNCTION auth.live_lack, auth.algo_id_stands FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.live_lack, auth.algo_id_stands TO lockstep_auth, lockstep_executor;

ALTER TABLE auth.broker_accounts DROP COLUMN regime, DROP COLUMN egress, DROP COLUMN algo_id;

-- Rows are closed, never rewritten or removed.
GRANT SELECT, INSERT, UPDATE (closed_at, closed_as, closed_by, closed_reason) ON auth.evidence
TO lockstep_auth;
