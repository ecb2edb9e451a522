-- One row and one look per stopped account: the view stands in the statement that sends orders.
CREATE OR REPLACE VIEW auth.stops AS
SELECT
    a.account_id,
    CASE
        WHEN
            a.environment = 'LIVE'
            AND NOT EXISTS (
                SELECT FROM auth.consents AS c
                WHERE c.account_id = a.account_id AND c.withdrawn_at IS NULL
            ) THEN 'NO_CONSENT'
        WHEN a.session_state = 'DISCONNECTED' THEN 'DISCONNECTED'
        WHEN u.disabled_at IS NOT NULL THEN 'USER_DISABLED'
    END AS reason
FROM auth.broker_accounts AS a
JOIN auth.users AS u ON u.user_id = a.user_id
WHERE
    a.connected_at IS NOT NULL
    AND (
        a.session_state = 'DISCONNECTED'
        OR u.disabled_at IS NOT NULL
        OR (
            a.environment = 'LIVE'
            AND NOT EXISTS (
                SELECT FROM auth.consents AS c
                WHERE c.account_id = a.account_id AND c.withdrawn_at IS NULL
            )
        )
    );
