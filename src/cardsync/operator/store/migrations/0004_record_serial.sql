-- What changed since a token is found by its serial, however large the database is.
CREATE INDEX record_serial ON record (device_id, database, serial);
