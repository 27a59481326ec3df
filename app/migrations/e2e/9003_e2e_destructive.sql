-- The image of the journeys that asks for a confirmation.
-- erpgo: destructive

CREATE TABLE e2e_destroyed (id uuid PRIMARY KEY);
DROP TABLE e2e_destroyed;

-- erpgo: down
SELECT 1;
