-- What became of a dead letter: sent again, or set aside, by whom and why.

ALTER TABLE executor.dead_letters
    ADD COLUMN master_id uuid,
    ADD COLUMN outcome text CHECK (outcome IN ('REPLAYED', 'SET_ASIDE')),
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN closed_by uuid,
    ADD COLUMN closed_reason text;

CREATE INDEX dead_letters_open ON executor.dead_letters (topic) WHERE closed_at IS NULL;
