-- erpgo: no-transaction
-- Finds the kept answers that tell of a person who is erased or deleted.
CREATE INDEX CONCURRENTLY idempotency_keys_subject_idx ON idempotency_keys (subject) WHERE subject IS NOT NULL;

-- erpgo: down
DROP INDEX idempotency_keys_subject_idx;
