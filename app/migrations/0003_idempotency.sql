-- Answers to writes with an Idempotency-Key, stored in the transaction of their effect.

CREATE TABLE idempotency_keys (
    caller      uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    operation   text        NOT NULL,
    key         text        NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
    -- SHA-256 of what was asked for.
    fingerprint bytea       NOT NULL CHECK (octet_length(fingerprint) = 32),
    status      smallint    NOT NULL,
    location    text,
    etag        text,
    body        text        NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    -- Serves the foreign key too.
    PRIMARY KEY (caller, operation, key)
);
CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);

-- erpgo: down
DROP TABLE idempotency_keys;
