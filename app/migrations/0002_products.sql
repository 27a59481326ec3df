-- What is sold.

CREATE TABLE products (
    id          uuid          PRIMARY KEY,
    sku         text          COLLATE "C" NOT NULL CHECK (char_length(sku) BETWEEN 1 AND 64),
    name        text          NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    description text          NOT NULL DEFAULT '' CHECK (char_length(description) <= 5000),
    -- Finer than any coin: prices per unit are.
    price       numeric(19,4) NOT NULL CHECK (price >= 0),
    -- ISO 4217.
    currency    text          COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    active      boolean       NOT NULL DEFAULT true,
    version     bigint        NOT NULL DEFAULT 1,
    created_at  timestamptz   NOT NULL,
    updated_at  timestamptz   NOT NULL
);
CREATE UNIQUE INDEX products_sku_key ON products (sku);
-- One for each order of the list; the id makes each order total.
CREATE INDEX products_name_idx ON products (name, id);
CREATE INDEX products_created_at_idx ON products (created_at, id);
CREATE INDEX products_updated_at_idx ON products (updated_at, id);
-- Prices compare within one currency only.
CREATE INDEX products_price_idx ON products (currency, price, id);

-- erpgo: down
DROP TABLE products;
