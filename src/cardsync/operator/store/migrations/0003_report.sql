-- What cards report for themselves where the terminal has no native command. A report says what
-- has changed; `card_known` is all that they said together.

-- The counter of the last report taken under the key set; the next one has a higher one.
ALTER TABLE key_set ADD COLUMN report_counter bigint NOT NULL DEFAULT 0;

CREATE TABLE card_known (
    iccid      text PRIMARY KEY REFERENCES card,
    imei       text,
    language   text,
    profile    bytea,                         -- eight octets of the hash of the terminal profile
    technology smallint,                      -- TS 102 223 clause 8.61
    reported   timestamptz NOT NULL
);

CREATE TABLE card_report (
    iccid      text NOT NULL REFERENCES card,
    counter    bigint NOT NULL,
    received   timestamptz NOT NULL,
    carrier    text NOT NULL,                 -- sms, bip
    reason     smallint NOT NULL,
    imei       text,
    language   text,
    profile    bytea,
    technology smallint,
    steps      smallint NOT NULL,             -- rungs that failed, bit n is rung n
    request    text NOT NULL,
    policy     bytea NOT NULL,
    PRIMARY KEY (iccid, counter)
);

-- distribute
SELECT create_distributed_table('card_known', 'iccid', colocate_with => 'card');
SELECT create_distributed_table('card_report', 'iccid', colocate_with => 'card');
