-- Passwords are sealed with the operator's master key in place of being hashed: a digest of the
-- MD5 scheme can only be checked by whoever has the password. No command made an account before.
DELETE FROM credential;
ALTER TABLE credential DROP COLUMN salt, DROP COLUMN digest, ADD COLUMN sealed bytea NOT NULL;

-- How many digests of this device were taken: each makes the nonce of the next one.
ALTER TABLE device ADD COLUMN proofs integer NOT NULL DEFAULT 0;
