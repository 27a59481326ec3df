-- What users need to know their sessions by.

ALTER TABLE sessions
    ADD COLUMN user_agent   text NOT NULL DEFAULT '' CHECK (char_length(user_agent) <= 300),
    ADD COLUMN address      text NOT NULL DEFAULT '' CHECK (char_length(address) <= 45),
    -- Written at most once a minute.
    ADD COLUMN last_seen_at timestamptz,
    DROP CONSTRAINT sessions_revoked_reason_check,
    ADD CONSTRAINT sessions_revoked_reason_check CHECK (revoked_reason IN
        ('logout', 'reuse', 'deactivated', 'password', 'excess', 'elsewhere', 'administrator'));

-- erpgo: down
ALTER TABLE sessions
    DROP COLUMN user_agent,
    DROP COLUMN address,
    DROP COLUMN last_seen_at,
    DROP CONSTRAINT sessions_revoked_reason_check;
UPDATE sessions SET revoked_reason = 'logout' WHERE revoked_reason IN ('elsewhere', 'administrator');
ALTER TABLE sessions
    ADD CONSTRAINT sessions_revoked_reason_check CHECK (revoked_reason IN
        ('logout', 'reuse', 'deactivated', 'password', 'excess'));
