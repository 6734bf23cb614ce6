-- Each entry of the trail carries a hash over itself and the entry before it of its task. Entries
-- without a task have an empty task_id and are a chain of their own. The table points to no other,
-- so that what it tells about can be deleted.

-- What the trail didn't tell by itself: that prerequisites were counted down.
INSERT INTO audit (id, timestamp, task_id, actor, action_type, action_data)
SELECT (SELECT coalesce(max(id), 0) FROM audit) + row_number() OVER (ORDER BY t.id),
  t.last_updated_at, t.id, 'migration:audit_chain', 'prerequisite_completed',
  '{"unmet_count":' || t.unmet_count || '}'
FROM tasks AS t
WHERE EXISTS (SELECT 1 FROM task_dependencies AS d
              WHERE d.dependent_task_id = t.id AND d.resolved_at IS NOT NULL);

CREATE FUNCTION audit_framed(value TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN octet_length(convert_to(value, 'UTF8')) || ':' || value || ',';

-- entry_hash() of domain/audit.py.
CREATE FUNCTION audit_hash(
  previous TEXT, sequence BIGINT, row_id BIGINT, task_id TEXT, at TEXT, actor TEXT,
  action_type TEXT, action_data TEXT
) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN encode(sha256(convert_to(
  audit_framed(previous) || audit_framed(sequence::text) || audit_framed(row_id::text)
  || audit_framed(task_id) || audit_framed(at) || audit_framed(actor)
  || audit_framed(action_type) || audit_framed(action_data), 'UTF8')), 'hex');

ALTER TABLE audit
  DROP CONSTRAINT audit_agent_id_fkey,
  DROP CONSTRAINT audit_memory_entry_id_fkey,
  ADD COLUMN sequence BIGINT CHECK (sequence > 0),
  ADD COLUMN hash TEXT COLLATE "C" CHECK (length(hash) = 64);

UPDATE audit SET task_id = '' WHERE task_id IS NULL;

-- The last entry of each task, so that its removal is noticed.
CREATE TABLE audit_heads (
  task_id TEXT COLLATE "C" PRIMARY KEY,
  sequence BIGINT NOT NULL,
  hash TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 70);

DO $$
DECLARE
  entry audit%ROWTYPE;
  head audit_heads%ROWTYPE;
BEGIN
  FOR entry IN SELECT * FROM audit ORDER BY id LOOP
    SELECT * INTO head FROM audit_heads WHERE task_id = entry.task_id;
    head.sequence := coalesce(head.sequence, 0) + 1;
    head.hash := audit_hash(
      coalesce(head.hash, repeat('0', 64)), head.sequence, entry.id, entry.task_id,
      entry.timestamp, entry.actor, entry.action_type, entry.action_data);
    UPDATE audit SET sequence = head.sequence, hash = head.hash WHERE id = entry.id;
    INSERT INTO audit_heads VALUES (entry.task_id, head.sequence, head.hash)
    ON CONFLICT (task_id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash;
  END LOOP;
END
$$;

ALTER TABLE audit
  ALTER COLUMN task_id SET NOT NULL,
  ALTER COLUMN sequence SET NOT NULL,
  ALTER COLUMN hash SET NOT NULL;

DROP INDEX audit_by_task;
CREATE UNIQUE INDEX audit_by_task ON audit (task_id, sequence);

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit trail is append-only: its rows can''t be changed or deleted'
    USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

CREATE TRIGGER audit_heads_are_never_deleted BEFORE DELETE OR TRUNCATE ON audit_heads
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
