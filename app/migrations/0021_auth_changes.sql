-- Tells every process, at the commit and by no other way than PostgreSQL, whose sessions, keys or roles
-- have changed: what is kept in their memory is then read anew. A trigger, so that no statement is left out.

CREATE FUNCTION auth_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'users' THEN
        PERFORM pg_notify('erpgo_auth', OLD.id::text);
    ELSE
        PERFORM pg_notify('erpgo_auth', OLD.user_id::text);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER auth_changed AFTER UPDATE OF auth_epoch ON users
    FOR EACH ROW WHEN (OLD.auth_epoch IS DISTINCT FROM NEW.auth_epoch) EXECUTE FUNCTION auth_changed();
CREATE TRIGGER auth_ended AFTER DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION auth_changed();
CREATE TRIGGER auth_changed AFTER UPDATE OF revoked_at ON sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at) EXECUTE FUNCTION auth_changed();
CREATE TRIGGER auth_changed AFTER UPDATE OF revoked_at ON api_keys
    FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at) EXECUTE FUNCTION auth_changed();

-- erpgo: down
DROP TRIGGER auth_changed ON api_keys;
DROP TRIGGER auth_changed ON sessions;
DROP TRIGGER auth_ended ON users;
DROP TRIGGER auth_changed ON users;
DROP FUNCTION auth_changed();
