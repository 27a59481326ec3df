-- Users, roles and sessions.

CREATE TABLE users (
    id            uuid        PRIMARY KEY,
    email         text        NOT NULL CHECK (char_length(email) BETWEEN 3 AND 254),
    first_name    text        NOT NULL CHECK (char_length(first_name) <= 100),
    last_name     text        NOT NULL CHECK (char_length(last_name) <= 100),
    -- PHC string; the pepper that is keyed into it is named beside it.
    password_hash text        NOT NULL,
    pepper_kid    text        NOT NULL,
    is_active     boolean     NOT NULL DEFAULT true,
    -- Grows with every change that a cached permission or session depends on.
    auth_epoch    bigint      NOT NULL DEFAULT 1,
    version       bigint      NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email));
CREATE INDEX users_created_at_idx ON users (created_at, id);
CREATE INDEX users_pepper_kid_idx ON users (pepper_kid);

CREATE TABLE roles (
    id          uuid        PRIMARY KEY,
    name        text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 64),
    description text        NOT NULL DEFAULT '' CHECK (char_length(description) <= 500),
    -- 'resource.action', 'resource.*' or '*'.
    permissions text[]      NOT NULL DEFAULT '{}' CHECK (cardinality(permissions) <= 200),
    -- Created by the program; neither edited nor deleted through the API.
    is_system   boolean     NOT NULL DEFAULT false,
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX roles_name_key ON roles (lower(name));

CREATE TABLE user_roles (
    user_id     uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role_id     uuid        NOT NULL REFERENCES roles (id) ON DELETE RESTRICT,
    assigned_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, role_id)
);
-- The primary key serves look-ups by user; this one serves those by role.
CREATE INDEX user_roles_role_id_idx ON user_roles (role_id);

-- One sign-in: the family of all refresh tokens that descend from it.
CREATE TABLE sessions (
    id             uuid        PRIMARY KEY,
    user_id        uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    revoked_reason text        CHECK (revoked_reason IN ('logout', 'reuse', 'deactivated', 'password', 'excess')),
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id, created_at);
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    id         uuid        PRIMARY KEY,
    session_id uuid        NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    parent_id  uuid        REFERENCES refresh_tokens (id) ON DELETE CASCADE,
    -- SHA-256 of the token; the token itself is stored nowhere.
    token_hash bytea       NOT NULL CHECK (octet_length(token_hash) = 32),
    kid        text        NOT NULL,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX refresh_tokens_session_id_idx ON refresh_tokens (session_id);
-- One successor a token: two racing rotations cannot both insert one.
CREATE UNIQUE INDEX refresh_tokens_parent_id_key ON refresh_tokens (parent_id);
