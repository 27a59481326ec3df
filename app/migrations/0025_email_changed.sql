-- The address that a user had before is told that there is another one.

-- Not validated: the rows that there are kept to the shorter list.
ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check,
    ADD CONSTRAINT outbox_kind_check CHECK (kind IN
        ('password_reset', 'password_changed', 'email_verification', 'lockout', 'second_factor',
         'email_changed')) NOT VALID;

-- erpgo: down
DELETE FROM outbox WHERE kind = 'email_changed';
ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check,
    ADD CONSTRAINT outbox_kind_check CHECK (kind IN
        ('password_reset', 'password_changed', 'email_verification', 'lockout', 'second_factor'));
