-- The audit log: events that nobody changes, and the chain that shows it.

CREATE SEQUENCE audit_events_seq;
-- Who may insert an event may number it.
GRANT USAGE ON SEQUENCE audit_events_seq TO PUBLIC;

-- What happened. Partitions by month: an old month ends by dropping its partition, never row by row.
CREATE TABLE audit_events (
    seq        bigint      NOT NULL DEFAULT nextval('audit_events_seq'),
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    id         uuid        NOT NULL,
    action     text        NOT NULL CHECK (char_length(action) BETWEEN 1 AND 64),
    outcome    text        NOT NULL CHECK (outcome IN ('success', 'refused')),
    -- Ids, not references: an event outlives whom and what it speaks of.
    actor      uuid,
    target     text        CHECK (char_length(target) <= 128),
    -- JSON without personal data; text, so that its bytes stay those that were hashed.
    detail     text        NOT NULL DEFAULT '{}' CHECK (octet_length(detail) <= 16384),
    request_id text        CHECK (char_length(request_id) <= 64),
    -- Whose personal data is sealed below, under the key in subject_keys.
    subject    uuid,
    sealed     bytea       CHECK (octet_length(sealed) <= 8192),
    PRIMARY KEY (seq, at),
    CHECK ((subject IS NULL) = (sealed IS NULL))
) PARTITION BY RANGE (at);
CREATE INDEX audit_events_action_idx ON audit_events (action, seq);
CREATE INDEX audit_events_actor_idx ON audit_events (actor, seq);
CREATE INDEX audit_events_target_idx ON audit_events (target, seq);
CREATE INDEX audit_events_at_idx ON audit_events (at);

-- Events that are committed and not chained yet. Ordinary rows: the sealer takes them away.
CREATE TABLE audit_pending (
    seq bigint      PRIMARY KEY,
    at  timestamptz NOT NULL
);

-- One link an event: hash = SHA-256(previous hash, position, leaf), leaf = SHA-256(event).
CREATE TABLE audit_chain (
    position  bigint      NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seq       bigint      NOT NULL,
    event_at  timestamptz NOT NULL,
    leaf      bytea       NOT NULL CHECK (octet_length(leaf) = 32),
    hash      bytea       NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (position, sealed_at)
) PARTITION BY RANGE (sealed_at);
CREATE INDEX audit_chain_seq_idx ON audit_chain (seq);

-- Where the chain begins after old months were dropped.
CREATE TABLE audit_cuts (
    position bigint      PRIMARY KEY,
    hash     bytea       NOT NULL CHECK (octet_length(hash) = 32),
    until    timestamptz NOT NULL,
    cut_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

-- Takes the rights to change a table away, from its owner too, and puts the trigger on it that
-- raises. A statement that names a partition fires no trigger of the table above it.
CREATE FUNCTION audit_guard(guarded regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM PUBLIC, CURRENT_USER', guarded);
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s
                    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()', guarded);
END $$;

-- Makes the partitions of this month and of as many after it. Runs with its owner's rights: the role
-- that the application signs in with needs none on the tables but SELECT and INSERT. A table that is
-- attached, unlike one that is created as a partition, stops no writer of the table above it.
CREATE FUNCTION audit_prepare(ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE
    parent text;
    child text;
    starts timestamptz;
    made integer := 0;
BEGIN
    -- One process at a time: two would make the same partition.
    PERFORM pg_advisory_xact_lock(hashtextextended('erpgo audit partitions', 0));
    FOREACH parent IN ARRAY ARRAY['audit_events', 'audit_chain'] LOOP
        FOR step IN 0..least(ahead, 24) LOOP
            starts := date_trunc('month', now()) + make_interval(months => step);
            child := parent || '_' || to_char(starts, 'YYYY_MM');
            CONTINUE WHEN to_regclass(child) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                           child, parent);
            PERFORM audit_guard(child::regclass);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           parent, child, starts, starts + interval '1 month');
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

-- Drops the months that ended more than a year ago, and returns their names. Links stay a month
-- longer than the events that they seal, so that no event that is there is ever without its link.
CREATE FUNCTION audit_retire() RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE
    child record;
    until timestamptz;
    gone text[] := '{}';
BEGIN
    FOR child IN
        SELECT p.relname AS parent, c.relname AS name
        FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('audit_events'::regclass, 'audit_chain'::regclass)
          AND c.relname ~ '^audit_(events|chain)_[0-9]{4}_[0-9]{2}$'
        ORDER BY c.relname
    LOOP
        until := to_timestamp(right(child.name, 7) || '_01', 'YYYY_MM_DD') + interval '1 month';
        CONTINUE WHEN until > now() - CASE child.parent
            WHEN 'audit_events' THEN interval '1 year' ELSE interval '1 year 1 month' END;
        IF child.parent = 'audit_chain' THEN
            EXECUTE format('INSERT INTO audit_cuts (position, hash, until)
                            SELECT position, hash, %L FROM %I ORDER BY position DESC LIMIT 1
                            ON CONFLICT DO NOTHING', until, child.name);
        END IF;
        EXECUTE format('DROP TABLE %I', child.name);
        gone := gone || child.name::text;
    END LOOP;
    RETURN gone;
END $$;

SELECT audit_guard('audit_events');
SELECT audit_guard('audit_chain');
SELECT audit_guard('audit_cuts');
SELECT audit_prepare(3);

-- erpgo: down
DROP FUNCTION audit_retire();
DROP FUNCTION audit_prepare(integer);
DROP TABLE audit_cuts;
DROP TABLE audit_chain;
DROP TABLE audit_pending;
DROP TABLE audit_events;
DROP FUNCTION audit_guard(regclass);
DROP FUNCTION audit_refuse();
DROP SEQUENCE audit_events_seq;
