-- Keys of programs that act for a user.

CREATE TABLE api_keys (
    id           uuid        PRIMARY KEY,
    user_id      uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    -- The part of the key that may be shown, and by which it is found.
    handle       text        COLLATE "C" NOT NULL CHECK (handle ~ '^[0-9A-Za-z]{12}$'),
    -- SHA-256 of the whole key; the key itself is stored nowhere.
    key_hash     bytea       NOT NULL CHECK (octet_length(key_hash) = 32),
    -- 'resource.action', 'resource.*' or '*': what the owner may do and is not here, the key may not.
    scopes       text[]      NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    -- Written at most once a minute.
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE UNIQUE INDEX api_keys_handle_key ON api_keys (handle);
CREATE INDEX api_keys_user_id_idx ON api_keys (user_id, created_at);
CREATE INDEX api_keys_expires_at_idx ON api_keys (expires_at) WHERE revoked_at IS NULL;

-- erpgo: down
DROP TABLE api_keys;
