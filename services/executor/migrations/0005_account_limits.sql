-- What an account may copy at most, whatever its follows allow. Nobody wrote this table before.

ALTER TABLE executor.account_limits
    -- Whose account it is, auth knows.
    DROP COLUMN user_id,
    ADD COLUMN broker text NOT NULL,
    ADD COLUMN changed_by uuid NOT NULL,
    -- As libs/contracts/limits_json.py writes them: only what is set.
    ADD CHECK (jsonb_typeof(limits) = 'object'),
    ADD CHECK (version > 0);

-- Every replica asks each second what changed.
CREATE INDEX account_limits_changed ON executor.account_limits (broker, changed_at);
