-- Up to when things of a kind were removed because of their age: what asks for older ones must not
-- take the rest for all of it.
CREATE TABLE forgotten (
    what   text PRIMARY KEY,
    before timestamptz NOT NULL
);
CREATE INDEX outbox_done ON outbox (done) WHERE state >= 3;
