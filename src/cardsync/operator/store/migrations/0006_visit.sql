-- Browsers that cards opened at our page: evidence that a card is in a phone that has one.

CREATE TABLE card_visit (
    iccid    text NOT NULL REFERENCES card,
    counter  bigint NOT NULL,                 -- of the one-time token in the address
    visited  timestamptz NOT NULL,
    agent    text NOT NULL,                   -- what the browser says of itself
    language text,                            -- the one that the browser prefers
    PRIMARY KEY (iccid, counter)
);

-- What a report said, as the card wrote it.
ALTER TABLE card_report ADD COLUMN octets bytea NOT NULL DEFAULT '';

-- distribute
SELECT create_distributed_table('card_visit', 'iccid', colocate_with => 'card');
