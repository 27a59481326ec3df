-- The second factor of a sign-in (RFC 6238).

CREATE TABLE second_factors (
    user_id       uuid        PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Sealed under the user's key in subject_keys.
    sealed_secret bytea       NOT NULL,
    created_at    timestamptz NOT NULL,
    -- Until then it is not asked for.
    confirmed_at  timestamptz,
    -- The newest step whose code was used: no code is good twice.
    last_step     bigint      NOT NULL DEFAULT 0
);

CREATE TABLE recovery_codes (
    user_id    uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the code; a code that was used is gone.
    code_hash  bytea       NOT NULL CHECK (octet_length(code_hash) = 32),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);

-- Sign-ins whose password was right and whose second factor is yet to come.
CREATE TABLE login_challenges (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash bytea       NOT NULL CHECK (octet_length(token_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX login_challenges_token_hash_key ON login_challenges (token_hash);
CREATE INDEX login_challenges_user_id_idx ON login_challenges (user_id, created_at);

-- erpgo: down
DROP TABLE login_challenges;
DROP TABLE recovery_codes;
DROP TABLE second_factors;
