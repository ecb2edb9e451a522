-- Exits of everything that were sooner than the fills of their entries: what is filled afterwards is
-- closed when those entries have ended. Decided like the wishes of people, but by nobody's wish.

ALTER TABLE executor.exit_retries
    -- The entries that were at the broker when the exit was planned, and what they had filled.
    ADD COLUMN entries uuid[],
    ADD COLUMN filled_before bigint,
    DROP CONSTRAINT exit_retries_state_check,
    ADD CONSTRAINT exit_retries_state_check
        CHECK (state IN ('ASKED', 'WAITS', 'DONE', 'REFUSED')),
    ADD CONSTRAINT exit_retries_waits_for_entries
        CHECK (state <> 'WAITS' OR (entries IS NOT NULL AND filled_before IS NOT NULL));

-- What waits for entries stands in no person's way.
DROP INDEX executor.exit_retries_wanted;
CREATE UNIQUE INDEX exit_retries_wanted ON executor.exit_retries (order_id, (entries IS NULL))
    WHERE state <> 'REFUSED';
DROP INDEX executor.exit_retries_asked;
CREATE INDEX exit_retries_asked ON executor.exit_retries (broker, shard)
    WHERE state IN ('ASKED', 'WAITS');

GRANT DELETE ON executor.exit_retries TO lockstep_executor;
