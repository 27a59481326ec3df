-- What ends, and what is left of it.

-- Old tokens of a session that goes on are removed one by one, and not with all that descend from them.
ALTER TABLE refresh_tokens DROP CONSTRAINT refresh_tokens_parent_id_fkey;

-- A key that was destroyed leaves a tombstone, so that nobody makes another of that subject. Its key is zeros:
-- the version before, which does not know of tombstones, finds one.
ALTER TABLE subject_keys ADD COLUMN destroyed_at timestamptz;

-- erpgo: down
UPDATE refresh_tokens t SET parent_id = NULL
    WHERE parent_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM refresh_tokens p WHERE p.id = t.parent_id);
ALTER TABLE refresh_tokens ADD CONSTRAINT refresh_tokens_parent_id_fkey
    FOREIGN KEY (parent_id) REFERENCES refresh_tokens (id) ON DELETE CASCADE;
DELETE FROM subject_keys WHERE destroyed_at IS NOT NULL;
ALTER TABLE subject_keys DROP COLUMN destroyed_at;
