CREATE TABLE books_facts (
  name VARCHAR(64) NOT NULL,
  value TEXT NOT NULL,
  CONSTRAINT pk_books_facts PRIMARY KEY (name)
);

CREATE TABLE books_version (
  version INTEGER NOT NULL,
  CONSTRAINT pk_books_version PRIMARY KEY (version)
);

CREATE TABLE categories (
  id INTEGER NOT NULL,
  parent_id INTEGER,
  name TEXT NOT NULL,
  path TEXT NOT NULL,
  CONSTRAINT pk_categories PRIMARY KEY (id),
  CONSTRAINT fk_categories_parent_id FOREIGN KEY(parent_id) REFERENCES categories (id),
  CONSTRAINT uq_categories_path UNIQUE (path)
);

CREATE TABLE counters (
  name VARCHAR(64) NOT NULL,
  last BIGINT NOT NULL,
  CONSTRAINT pk_counters PRIMARY KEY (name)
);

CREATE TABLE currencies (
  id INTEGER NOT NULL,
  code VARCHAR(200) NOT NULL,
  name TEXT NOT NULL,
  CONSTRAINT pk_currencies PRIMARY KEY (id),
  CONSTRAINT uq_currencies_code UNIQUE (code)
);

CREATE TABLE executors (
  id INTEGER NOT NULL,
  code VARCHAR(200) NOT NULL,
  name TEXT NOT NULL,
  CONSTRAINT pk_executors PRIMARY KEY (id),
  CONSTRAINT uq_executors_code UNIQUE (code)
);

CREATE TABLE objects (
  id INTEGER NOT NULL,
  code VARCHAR(200) NOT NULL,
  name TEXT NOT NULL,
  CONSTRAINT pk_objects PRIMARY KEY (id),
  CONSTRAINT uq_objects_code UNIQUE (code)
);

CREATE TABLE parties (
  id INTEGER NOT NULL,
  code VARCHAR(200) NOT NULL,
  kind VARCHAR(16) NOT NULL,
  name TEXT NOT NULL,
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  middle_name TEXT NOT NULL,
  edrpou VARCHAR(16) NOT NULL,
  tax_number VARCHAR(32) NOT NULL,
  phone VARCHAR(64) NOT NULL,
  phone_key VARCHAR(64) NOT NULL,
  email TEXT NOT NULL,
  email_key TEXT NOT NULL,
  address JSON,
  created_at DATETIME NOT NULL,
  CONSTRAINT pk_parties PRIMARY KEY (id),
  CONSTRAINT uq_parties_code UNIQUE (code)
);

CREATE INDEX ix_parties_edrpou ON parties (edrpou);

CREATE INDEX ix_parties_email_key ON parties (email_key);

CREATE INDEX ix_parties_phone_key ON parties (phone_key);

CREATE TABLE sources (
  id INTEGER NOT NULL,
  code VARCHAR(200) NOT NULL,
  name TEXT NOT NULL,
  CONSTRAINT pk_sources PRIMARY KEY (id),
  CONSTRAINT uq_sources_code UNIQUE (code)
);

CREATE TABLE statuses (
  id INTEGER NOT NULL,
  code VARCHAR(200) NOT NULL,
  name TEXT NOT NULL,
  CONSTRAINT pk_statuses PRIMARY KEY (id),
  CONSTRAINT uq_statuses_code UNIQUE (code)
);

CREATE TABLE users (
  id INTEGER NOT NULL,
  code VARCHAR(200) NOT NULL,
  name TEXT NOT NULL,
  CONSTRAINT pk_users PRIMARY KEY (id),
  CONSTRAINT uq_users_code UNIQUE (code)
);

CREATE TABLE warehouses (
  id INTEGER NOT NULL,
  code VARCHAR(200) NOT NULL,
  name TEXT NOT NULL,
  CONSTRAINT pk_warehouses PRIMARY KEY (id),
  CONSTRAINT uq_warehouses_code UNIQUE (code)
);

CREATE TABLE documents (
  id INTEGER NOT NULL,
  kind VARCHAR(16) NOT NULL,
  number VARCHAR(64) NOT NULL,
  "key" VARCHAR(400) NOT NULL,
  source_id INTEGER NOT NULL,
  order_id VARCHAR(200) NOT NULL,
  order_number VARCHAR(200) NOT NULL,
  source_number VARCHAR(200) NOT NULL,
  ordered_at DATETIME NOT NULL,
  created_at DATETIME NOT NULL,
  status_id INTEGER NOT NULL,
  party_id INTEGER NOT NULL,
  object_id INTEGER,
  warehouse_id INTEGER,
  user_id INTEGER,
  executor_id INTEGER,
  currency_id INTEGER NOT NULL,
  rate BIGINT,
  prices_include_tax BOOLEAN NOT NULL,
  lines_sum BIGINT NOT NULL,
  discount BIGINT NOT NULL,
  delivery_cost BIGINT NOT NULL,
  payment_fee BIGINT NOT NULL,
  tax BIGINT NOT NULL,
  rounding BIGINT NOT NULL,
  total BIGINT NOT NULL,
  discounts JSON,
  customer JSON NOT NULL,
  delivery_carrier TEXT NOT NULL,
  delivery_service TEXT NOT NULL,
  delivery_city TEXT NOT NULL,
  delivery_branch TEXT NOT NULL,
  delivery_recipient TEXT NOT NULL,
  delivery_phone VARCHAR(64) NOT NULL,
  delivery_tracking TEXT NOT NULL,
  delivery_date DATE,
  delivery JSON NOT NULL,
  payment_method TEXT NOT NULL,
  payment_status VARCHAR(16) NOT NULL,
  paid BIGINT,
  payment JSON NOT NULL,
  comment TEXT NOT NULL,
  extra JSON,
  CONSTRAINT pk_documents PRIMARY KEY (id),
  CONSTRAINT uq_documents_kind_number UNIQUE (kind, number),
  CONSTRAINT uq_documents_kind_source_id_order_id UNIQUE (kind, source_id, order_id),
  CONSTRAINT uq_documents_key UNIQUE ("key"),
  CONSTRAINT fk_documents_source_id FOREIGN KEY(source_id) REFERENCES sources (id),
  CONSTRAINT fk_documents_status_id FOREIGN KEY(status_id) REFERENCES statuses (id),
  CONSTRAINT fk_documents_party_id FOREIGN KEY(party_id) REFERENCES parties (id),
  CONSTRAINT fk_documents_object_id FOREIGN KEY(object_id) REFERENCES objects (id),
  CONSTRAINT fk_documents_warehouse_id FOREIGN KEY(warehouse_id) REFERENCES warehouses (id),
  CONSTRAINT fk_documents_user_id FOREIGN KEY(user_id) REFERENCES users (id),
  CONSTRAINT fk_documents_executor_id FOREIGN KEY(executor_id) REFERENCES executors (id),
  CONSTRAINT fk_documents_currency_id FOREIGN KEY(currency_id) REFERENCES currencies (id)
);

CREATE INDEX ix_documents_order_number ON documents (order_number);

CREATE INDEX ix_documents_party_id ON documents (party_id);

CREATE TABLE products (
  id INTEGER NOT NULL,
  code VARCHAR(200) NOT NULL,
  normal VARCHAR(200) NOT NULL,
  parent_id INTEGER,
  category_id INTEGER,
  unit VARCHAR(32) NOT NULL,
  currency VARCHAR(3) NOT NULL,
  tax_rate BIGINT,
  barcode VARCHAR(64) NOT NULL,
  manufacturer TEXT NOT NULL,
  weight BIGINT,
  published BOOLEAN NOT NULL,
  service BOOLEAN NOT NULL,
  options JSON,
  content VARCHAR(40) NOT NULL,
  updated_at DATETIME NOT NULL,
  CONSTRAINT pk_products PRIMARY KEY (id),
  CONSTRAINT uq_products_code UNIQUE (code),
  CONSTRAINT fk_products_parent_id FOREIGN KEY(parent_id) REFERENCES products (id),
  CONSTRAINT fk_products_category_id FOREIGN KEY(category_id) REFERENCES categories (id)
);

CREATE INDEX ix_products_normal ON products (normal);

CREATE INDEX ix_products_parent_id ON products (parent_id);

CREATE TABLE document_lines (
  document_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  product_id INTEGER NOT NULL,
  code TEXT NOT NULL,
  name TEXT NOT NULL,
  quantity BIGINT NOT NULL,
  unit VARCHAR(32) NOT NULL,
  price BIGINT NOT NULL,
  discount BIGINT NOT NULL,
  tax_rate BIGINT,
  sum BIGINT NOT NULL,
  attributes JSON,
  comment TEXT NOT NULL,
  CONSTRAINT pk_document_lines PRIMARY KEY (document_id, position),
  CONSTRAINT fk_document_lines_document_id FOREIGN KEY(document_id) REFERENCES documents (id) ON DELETE CASCADE,
  CONSTRAINT fk_document_lines_product_id FOREIGN KEY(product_id) REFERENCES products (id)
);

CREATE INDEX ix_document_lines_product_id ON document_lines (product_id);

CREATE TABLE document_taxes (
  document_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  rate BIGINT NOT NULL,
  base BIGINT NOT NULL,
  tax BIGINT NOT NULL,
  CONSTRAINT pk_document_taxes PRIMARY KEY (document_id, position),
  CONSTRAINT fk_document_taxes_document_id FOREIGN KEY(document_id) REFERENCES documents (id) ON DELETE CASCADE
);

CREATE TABLE images (
  product_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  CONSTRAINT pk_images PRIMARY KEY (product_id, position),
  CONSTRAINT fk_images_product_id FOREIGN KEY(product_id) REFERENCES products (id) ON DELETE CASCADE
);

CREATE TABLE prices (
  product_id INTEGER NOT NULL,
  kind VARCHAR(32) NOT NULL,
  amount BIGINT NOT NULL,
  CONSTRAINT pk_prices PRIMARY KEY (product_id, kind),
  CONSTRAINT fk_prices_product_id FOREIGN KEY(product_id) REFERENCES products (id) ON DELETE CASCADE
);

CREATE TABLE product_texts (
  product_id INTEGER NOT NULL,
  language VARCHAR(8) NOT NULL,
  name TEXT NOT NULL,
  short_description TEXT NOT NULL,
  description TEXT NOT NULL,
  CONSTRAINT pk_product_texts PRIMARY KEY (product_id, language),
  CONSTRAINT fk_product_texts_product_id FOREIGN KEY(product_id) REFERENCES products (id) ON DELETE CASCADE
);

CREATE TABLE specials (
  product_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  amount BIGINT NOT NULL,
  start_at DATETIME,
  end_at DATETIME,
  CONSTRAINT pk_specials PRIMARY KEY (product_id, position),
  CONSTRAINT fk_specials_product_id FOREIGN KEY(product_id) REFERENCES products (id) ON DELETE CASCADE
);

CREATE TABLE stock (
  product_id INTEGER NOT NULL,
  warehouse_id INTEGER NOT NULL,
  on_hand BIGINT NOT NULL,
  reserved BIGINT NOT NULL,
  CONSTRAINT pk_stock PRIMARY KEY (product_id, warehouse_id),
  CONSTRAINT fk_stock_product_id FOREIGN KEY(product_id) REFERENCES products (id) ON DELETE CASCADE,
  CONSTRAINT fk_stock_warehouse_id FOREIGN KEY(warehouse_id) REFERENCES warehouses (id)
);
