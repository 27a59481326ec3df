-- Lists of users that read no more of them than they show.

-- Trusted: who may create in the database may have it, a superuser or not.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- One for each order; the id makes each order total. What else a part of the list is chosen by lies
-- beside it, so that pages are skipped in the index alone.
CREATE INDEX users_email_order_idx ON users (lower(email), id) INCLUDE (email, is_active);
CREATE INDEX users_first_name_idx ON users (first_name, id) INCLUDE (is_active);
CREATE INDEX users_last_name_idx ON users (last_name, id) INCLUDE (is_active);
CREATE INDEX users_created_at_order_idx ON users (created_at, id) INCLUDE (is_active);
DROP INDEX users_created_at_idx;
-- Parts of e-mail and names, by three letters each.
CREATE INDEX users_search_idx ON users
    USING gin (email gin_trgm_ops, first_name gin_trgm_ops, last_name gin_trgm_ops);

-- erpgo: down
DROP INDEX users_search_idx;
CREATE INDEX users_created_at_idx ON users (created_at, id);
DROP INDEX users_created_at_order_idx;
DROP INDEX users_last_name_idx;
DROP INDEX users_first_name_idx;
DROP INDEX users_email_order_idx;
