-- The second image of the journeys: an addition that the first image does not notice.

ALTER TABLE products ADD COLUMN e2e_note text;

-- erpgo: down
ALTER TABLE products DROP COLUMN e2e_note;
