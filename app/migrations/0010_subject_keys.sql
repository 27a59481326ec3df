-- One key a person: what is sealed under it is unreadable once the row is gone (crypto-shredding).
-- No foreign key: the key's end is its own event, and keys outlive no row on purpose but this one.

CREATE TABLE subject_keys (
    subject    uuid        PRIMARY KEY,
    key        bytea       NOT NULL CHECK (octet_length(key) = 32),
    created_at timestamptz NOT NULL
);

-- erpgo: down
DROP TABLE subject_keys;
