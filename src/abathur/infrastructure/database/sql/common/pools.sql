-- name: pools_get
SELECT * FROM pools
WHERE provider = :provider AND account = :account AND limit_window = :limit_window;

-- name: pools_all
SELECT * FROM pools ORDER BY provider, account, limit_window;

-- name: pools_closed
SELECT * FROM pools WHERE exhausted_until IS NOT NULL ORDER BY provider, account, limit_window;

-- name: pools_save
INSERT INTO pools (
  provider, account, limit_window, exhausted_until, used_share, refusals, probe, source,
  observed_at
) VALUES (
  :provider, :account, :limit_window, :exhausted_until, :used_share, :refusals, :probe, :source,
  :observed_at
)
ON CONFLICT (provider, account, limit_window) DO UPDATE SET
  exhausted_until = excluded.exhausted_until, used_share = excluded.used_share,
  refusals = excluded.refusals, probe = excluded.probe, source = excluded.source,
  observed_at = excluded.observed_at;

-- name: pools_open
UPDATE pools SET
  exhausted_until = NULL, used_share = NULL, refusals = 0, probe = NULL, observed_at = :now
WHERE provider = :provider AND account = :account AND exhausted_until IS NOT NULL
  AND (exhausted_until <= :now OR probe = :probe);
