-- The broken image of the journeys: the second statement fails, the first must not stay.

CREATE TABLE e2e_broken (id uuid PRIMARY KEY);
ALTER TABLE e2e_table_that_does_not_exist ADD COLUMN note text;

-- erpgo: down
DROP TABLE e2e_broken;
