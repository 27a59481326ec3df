-- erpgo: no-transaction
-- An order of users that is as good as drawn: by what is random at the end of each id.
CREATE INDEX CONCURRENTLY users_drawn_idx ON users (right(id::text, 12));

-- erpgo: down
DROP INDEX users_drawn_idx;
