-- Mails that wait to be sent, and the tokens that they carry.

CREATE TABLE outbox (
    id              uuid        PRIMARY KEY,
    kind            text        NOT NULL CHECK (kind IN
        ('password_reset', 'password_changed', 'email_verification', 'lockout', 'second_factor')),
    -- Null where only an address was typed: whether anybody has it is looked up when the mail is sent.
    user_id         uuid        REFERENCES users (id) ON DELETE CASCADE,
    address         text        NOT NULL CHECK (octet_length(address) <= 254),
    -- What the text names. Never a token: those are drawn when the mail is sent.
    facts           jsonb       NOT NULL,
    created_at      timestamptz NOT NULL,
    -- After this it is worth nothing.
    expires_at      timestamptz NOT NULL,
    attempts        smallint    NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    -- Until then one process has it in hand.
    leased_until    timestamptz,
    failed_at       timestamptz
);
-- One that waits is enough of each kind for each address.
CREATE UNIQUE INDEX outbox_waiting_key ON outbox (kind, lower(address)) WHERE failed_at IS NULL;
CREATE INDEX outbox_next_attempt_at_idx ON outbox (next_attempt_at) WHERE failed_at IS NULL;
CREATE INDEX outbox_expires_at_idx ON outbox (expires_at);
CREATE INDEX outbox_user_id_idx ON outbox (user_id);

CREATE TABLE email_tokens (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose    text        NOT NULL CHECK (purpose IN ('password_reset', 'email_verification')),
    -- SHA-256 of the token; the token itself is in the mail and nowhere else.
    token_hash bytea       NOT NULL CHECK (octet_length(token_hash) = 32),
    -- Where it was sent: it proves this address and no other.
    address    text        NOT NULL CHECK (octet_length(address) <= 254),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX email_tokens_token_hash_key ON email_tokens (token_hash);
CREATE INDEX email_tokens_user_id_idx ON email_tokens (user_id, purpose);
CREATE INDEX email_tokens_expires_at_idx ON email_tokens (expires_at);

ALTER TABLE users ADD COLUMN email_verified_at timestamptz;

-- erpgo: down
ALTER TABLE users DROP COLUMN email_verified_at;
DROP TABLE email_tokens;
DROP TABLE outbox;
