-- Kept answers that hold a secret or tell of a person.

ALTER TABLE idempotency_keys
    -- In place of the body, which is then empty: only a process with the secret set reads it. Empty itself once
    -- the person that it told of is gone.
    ADD COLUMN sealed    bytea,
    -- The kid of the refresh key that it is sealed under.
    ADD COLUMN sealed_by text,
    -- Whom it tells of beside its caller. No foreign key: it is taken out with the person, and the row stays.
    ADD COLUMN subject   uuid;
-- Not validated: the rows that there are have neither.
ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_sealed_check
    CHECK ((sealed IS NULL) = (sealed_by IS NULL)) NOT VALID;

-- erpgo: down
DELETE FROM idempotency_keys WHERE sealed IS NOT NULL;
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_sealed_check;
ALTER TABLE idempotency_keys DROP COLUMN subject, DROP COLUMN sealed_by, DROP COLUMN sealed;
