-- The largest role there may be, twice: as it was and as it is now. An event that the log has no room for would
-- keep its effect from taking place, and one that names only a part would hide the rest.

ALTER TABLE audit_events DROP CONSTRAINT audit_events_detail_check;
-- Not validated: what is there was held to less, and to read it all would keep every writer waiting.
ALTER TABLE audit_events ADD CONSTRAINT audit_events_detail_check
    CHECK (octet_length(detail) <= 40960) NOT VALID;

-- erpgo: down
ALTER TABLE audit_events DROP CONSTRAINT audit_events_detail_check;
ALTER TABLE audit_events ADD CONSTRAINT audit_events_detail_check
    CHECK (octet_length(detail) <= 16384) NOT VALID;
