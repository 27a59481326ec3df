-- What ends, and what is left of it.

-- A key that was destroyed leaves a tombstone, so that nobody makes another of that subject. Its key is zeros:
-- the version before, which does not know of tombstones, finds one.
ALTER TABLE subject_keys ADD COLUMN destroyed_at timestamptz;

-- erpgo: down
DELETE FROM subject_keys WHERE destroyed_at IS NOT NULL;
ALTER TABLE subject_keys DROP COLUMN destroyed_at;
