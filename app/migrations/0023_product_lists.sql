-- Lists of products that read no more of them than they show.

-- One for each order, in place of those without what else a part of the list is chosen by: rows that are
-- skipped or left out are told in the index alone.
CREATE INDEX products_sku_order_idx ON products (sku, id) INCLUDE (active, currency, price, created_at);
CREATE INDEX products_name_order_idx ON products (name, id) INCLUDE (active, currency, price, created_at);
CREATE INDEX products_price_order_idx ON products (currency, price, id) INCLUDE (active, created_at);
CREATE INDEX products_created_at_order_idx ON products (created_at, id) INCLUDE (active, currency, price);
CREATE INDEX products_updated_at_order_idx ON products (updated_at, id)
    INCLUDE (active, currency, price, created_at);
-- Few are not for sale: whoever asks for them, in whatever order, should not pass over all the others.
CREATE INDEX products_inactive_idx ON products (created_at, id)
    INCLUDE (sku, name, price, currency, updated_at) WHERE NOT active;
DROP INDEX products_name_idx;
DROP INDEX products_price_idx;
DROP INDEX products_created_at_idx;
DROP INDEX products_updated_at_idx;

-- erpgo: down
CREATE INDEX products_name_idx ON products (name, id);
CREATE INDEX products_price_idx ON products (currency, price, id);
CREATE INDEX products_created_at_idx ON products (created_at, id);
CREATE INDEX products_updated_at_idx ON products (updated_at, id);
DROP INDEX products_inactive_idx;
DROP INDEX products_updated_at_order_idx;
DROP INDEX products_created_at_order_idx;
DROP INDEX products_price_order_idx;
DROP INDEX products_name_order_idx;
DROP INDEX products_sku_order_idx;
