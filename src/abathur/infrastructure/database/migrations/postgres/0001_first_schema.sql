-- Times are UTC text of fixed width (`2030-01-31T18:00:00.000000Z`), so text order is time order;
-- `value::timestamptz` makes a time of one. JSON is compact text, kept byte for byte. Booleans are 0
-- and 1. Text is ordered by its bytes, whatever the order of the database is.

CREATE TABLE sessions (
  id TEXT COLLATE "C" PRIMARY KEY,
  app_name TEXT COLLATE "C" NOT NULL,
  user_id TEXT COLLATE "C" NOT NULL,
  project_id TEXT COLLATE "C",
  status TEXT COLLATE "C" NOT NULL DEFAULT 'created'
    CHECK (status IN ('created', 'active', 'paused', 'terminated', 'archived')),
  events TEXT COLLATE "C" NOT NULL DEFAULT '[]' CHECK (events::json IS NOT NULL),
  state TEXT COLLATE "C" NOT NULL DEFAULT '{}' CHECK (state::json IS NOT NULL),
  metadata TEXT COLLATE "C" NOT NULL DEFAULT '{}' CHECK (metadata::json IS NOT NULL),
  created_at TEXT COLLATE "C" NOT NULL,
  last_update_time TEXT COLLATE "C" NOT NULL,
  terminated_at TEXT COLLATE "C",
  archived_at TEXT COLLATE "C"
);

CREATE INDEX sessions_by_project ON sessions (project_id, status);

CREATE TABLE workers (
  id TEXT COLLATE "C" PRIMARY KEY,
  host TEXT COLLATE "C" NOT NULL,
  pid BIGINT NOT NULL,
  pid_started_at DOUBLE PRECISION NOT NULL,
  repository TEXT COLLATE "C" NOT NULL,
  max_agents BIGINT NOT NULL,
  started_at TEXT COLLATE "C" NOT NULL,
  heartbeat_at TEXT COLLATE "C" NOT NULL,
  lease_until TEXT COLLATE "C" NOT NULL,
  stop_requested_at TEXT COLLATE "C",
  stopped_at TEXT COLLATE "C"
);

CREATE INDEX workers_live ON workers (id) WHERE stopped_at IS NULL;

CREATE TABLE tasks (
  id TEXT COLLATE "C" PRIMARY KEY,
  summary TEXT COLLATE "C" NOT NULL CHECK (length(summary) BETWEEN 1 AND 140),
  prompt TEXT COLLATE "C" NOT NULL,
  agent_type TEXT COLLATE "C" NOT NULL,
  priority BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 10),
  status TEXT COLLATE "C" NOT NULL CHECK (status IN
    ('pending', 'blocked', 'ready', 'running', 'completed', 'failed', 'cancelled')),
  source TEXT COLLATE "C" NOT NULL,
  parent_task_id TEXT COLLATE "C" REFERENCES tasks (id),
  session_id TEXT COLLATE "C" REFERENCES sessions (id) ON DELETE SET NULL,
  deadline TEXT COLLATE "C",
  estimated_duration_seconds BIGINT,
  max_retries BIGINT NOT NULL,
  max_execution_timeout_seconds BIGINT NOT NULL,
  input_data TEXT COLLATE "C" NOT NULL DEFAULT '{}',
  result_data TEXT COLLATE "C",
  error_message TEXT COLLATE "C",
  feature_branch TEXT COLLATE "C",
  task_branch TEXT COLLATE "C",
  worktree_path TEXT COLLATE "C",
  idempotency_key TEXT COLLATE "C" UNIQUE,
  created_by TEXT COLLATE "C",
  submitted_at TEXT COLLATE "C" NOT NULL,
  started_at TEXT COLLATE "C",
  completed_at TEXT COLLATE "C",
  last_updated_at TEXT COLLATE "C" NOT NULL,
  not_before TEXT COLLATE "C",
  dependency_depth BIGINT NOT NULL DEFAULT 0,
  unmet_count BIGINT NOT NULL DEFAULT 0 CHECK (unmet_count >= 0),
  rank BIGINT NOT NULL,
  fence BIGINT NOT NULL DEFAULT 0,
  worker_id TEXT COLLATE "C" REFERENCES workers (id),
  lease_until TEXT COLLATE "C",
  attempt_count BIGINT NOT NULL DEFAULT 0,
  retry_count BIGINT NOT NULL DEFAULT 0,
  rework_count BIGINT NOT NULL DEFAULT 0,
  lost_count BIGINT NOT NULL DEFAULT 0,
  cancelled_by TEXT COLLATE "C" REFERENCES tasks (id)
)
-- A task is rewritten some ten times in its life: room for that in its page, and old versions are
-- cleared away early.
WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200,
  autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Each index holds only the rows that one hot question asks for, so that its cost doesn't grow
-- with the number of finished tasks.
CREATE INDEX tasks_ready ON tasks (rank, id) WHERE status = 'ready';
CREATE INDEX tasks_due ON tasks (not_before) WHERE status = 'pending';
CREATE INDEX tasks_leased ON tasks (worker_id, lease_until)
  WHERE status = 'running' AND worker_id IS NOT NULL;
CREATE INDEX tasks_by_status ON tasks (status, id);
CREATE INDEX tasks_by_parent ON tasks (parent_task_id) WHERE parent_task_id IS NOT NULL;
CREATE INDEX tasks_by_feature_branch ON tasks (feature_branch) WHERE feature_branch IS NOT NULL;

CREATE TABLE task_dependencies (
  prerequisite_task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  dependent_task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  dependency_type TEXT COLLATE "C" NOT NULL DEFAULT 'sequential',
  created_at TEXT COLLATE "C" NOT NULL,
  resolved_at TEXT COLLATE "C",
  PRIMARY KEY (prerequisite_task_id, dependent_task_id),
  CHECK (prerequisite_task_id <> dependent_task_id)
);

CREATE INDEX task_dependencies_by_dependent ON task_dependencies (dependent_task_id);

CREATE TABLE attempts (
  task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  number BIGINT NOT NULL CHECK (number > 0),
  fence BIGINT NOT NULL,
  worker_id TEXT COLLATE "C" NOT NULL REFERENCES workers (id),
  runtime TEXT COLLATE "C",
  model TEXT COLLATE "C",
  session_id TEXT COLLATE "C",
  branch TEXT COLLATE "C",
  worktree_path TEXT COLLATE "C",
  base_commit TEXT COLLATE "C",
  head_commit TEXT COLLATE "C",
  salvage_ref TEXT COLLATE "C",
  transcript_path TEXT COLLATE "C",
  pid BIGINT,
  pid_started_at DOUBLE PRECISION,
  lease_until TEXT COLLATE "C",
  started_at TEXT COLLATE "C" NOT NULL,
  ended_at TEXT COLLATE "C",
  outcome TEXT COLLATE "C",
  exit_code BIGINT,
  error_message TEXT COLLATE "C",
  usage TEXT COLLATE "C",
  feedback TEXT COLLATE "C",
  PRIMARY KEY (task_id, number)
);

-- Of two that choose one branch at the same moment, one is refused.
CREATE UNIQUE INDEX attempts_by_branch ON attempts (branch) WHERE branch IS NOT NULL;
CREATE INDEX attempts_unended ON attempts (worker_id) WHERE ended_at IS NULL;

CREATE TABLE run_events (
  task_id TEXT COLLATE "C" NOT NULL,
  attempt BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  at TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  text TEXT COLLATE "C" NOT NULL DEFAULT '',
  data TEXT COLLATE "C" NOT NULL DEFAULT '{}',
  PRIMARY KEY (task_id, attempt, sequence),
  FOREIGN KEY (task_id, attempt) REFERENCES attempts (task_id, number) ON DELETE CASCADE
);

CREATE TABLE landings (
  id TEXT COLLATE "C" PRIMARY KEY,
  task_id TEXT COLLATE "C" NOT NULL,
  attempt BIGINT NOT NULL,
  target TEXT COLLATE "C" NOT NULL,
  base_commit TEXT COLLATE "C" NOT NULL,
  work_commit TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL CHECK (state IN
    ('queued', 'running', 'landed', 'nothing_changed', 'conflicted', 'rejected', 'cancelled')),
  rank BIGINT NOT NULL,
  worker_id TEXT COLLATE "C" REFERENCES workers (id),
  lease_until TEXT COLLATE "C",
  fence BIGINT NOT NULL DEFAULT 0,
  requested_at TEXT COLLATE "C" NOT NULL,
  started_at TEXT COLLATE "C",
  ended_at TEXT COLLATE "C",
  target_before TEXT COLLATE "C",
  merge_commit TEXT COLLATE "C",
  verify_log TEXT COLLATE "C",
  detail TEXT COLLATE "C",
  proof TEXT COLLATE "C",
  facts TEXT COLLATE "C",
  UNIQUE (task_id, attempt),
  FOREIGN KEY (task_id, attempt) REFERENCES attempts (task_id, number) ON DELETE CASCADE,
  -- A landing without a proof can't be written down as one.
  CHECK (state NOT IN ('landed', 'nothing_changed') OR proof IS NOT NULL)
);

-- One landing a target at a time, whoever asks at the same moment.
CREATE UNIQUE INDEX landings_one_a_target ON landings (target) WHERE state = 'running';
CREATE INDEX landings_open ON landings (target, rank, id) WHERE state IN ('queued', 'running');
CREATE INDEX landings_ended ON landings (ended_at);

CREATE TABLE agents (
  id TEXT COLLATE "C" PRIMARY KEY,
  name TEXT COLLATE "C" NOT NULL,
  specialization TEXT COLLATE "C" NOT NULL,
  task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  state TEXT COLLATE "C" NOT NULL,
  model TEXT COLLATE "C" NOT NULL,
  spawned_at TEXT COLLATE "C" NOT NULL,
  terminated_at TEXT COLLATE "C",
  resource_usage TEXT COLLATE "C",
  session_id TEXT COLLATE "C" REFERENCES sessions (id) ON DELETE SET NULL
);

CREATE INDEX agents_by_task ON agents (task_id, state);

CREATE TABLE memory_entries (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  namespace TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  value TEXT COLLATE "C" NOT NULL CHECK (value::json IS NOT NULL),
  memory_type TEXT COLLATE "C" NOT NULL CHECK (memory_type IN ('semantic', 'episodic', 'procedural')),
  version BIGINT NOT NULL DEFAULT 1 CHECK (version > 0),
  is_deleted BIGINT NOT NULL DEFAULT 0,
  metadata TEXT COLLATE "C" NOT NULL DEFAULT '{}' CHECK (metadata::json IS NOT NULL),
  created_by TEXT COLLATE "C",
  updated_by TEXT COLLATE "C",
  created_at TEXT COLLATE "C" NOT NULL,
  updated_at TEXT COLLATE "C" NOT NULL,
  UNIQUE (namespace, key, version)
);

-- The ids have no gaps and are in the order of the commits: each transaction writes its entries last,
-- under a lock. A sequence would promise neither.
CREATE TABLE audit (
  id BIGINT PRIMARY KEY,
  timestamp TEXT COLLATE "C" NOT NULL,
  task_id TEXT COLLATE "C",
  agent_id TEXT COLLATE "C" REFERENCES agents (id),
  actor TEXT COLLATE "C" NOT NULL,
  action_type TEXT COLLATE "C" NOT NULL,
  action_data TEXT COLLATE "C" NOT NULL DEFAULT '{}',
  result TEXT COLLATE "C",
  memory_operation_type TEXT COLLATE "C",
  memory_namespace TEXT COLLATE "C",
  memory_entry_id BIGINT REFERENCES memory_entries (id) ON DELETE SET NULL
);

CREATE INDEX audit_by_task ON audit (task_id, id) WHERE task_id IS NOT NULL;

CREATE TABLE checkpoints (
  task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  iteration BIGINT NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  session_id TEXT COLLATE "C" REFERENCES sessions (id) ON DELETE SET NULL,
  PRIMARY KEY (task_id, iteration)
);

CREATE TABLE metrics (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  timestamp TEXT COLLATE "C" NOT NULL,
  metric_name TEXT COLLATE "C" NOT NULL,
  metric_value DOUBLE PRECISION NOT NULL CHECK (metric_value >= 0),
  labels TEXT COLLATE "C" NOT NULL DEFAULT '{}'
);

CREATE INDEX metrics_by_name ON metrics (metric_name, timestamp);

CREATE TABLE document_index (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  file_path TEXT COLLATE "C" NOT NULL UNIQUE,
  title TEXT COLLATE "C" NOT NULL,
  document_type TEXT COLLATE "C",
  content_hash TEXT COLLATE "C" NOT NULL,
  chunk_count BIGINT NOT NULL DEFAULT 1,
  embedding_model TEXT COLLATE "C",
  embedding_blob BYTEA,
  metadata TEXT COLLATE "C" NOT NULL DEFAULT '{}' CHECK (metadata::json IS NOT NULL),
  last_synced_at TEXT COLLATE "C",
  sync_status TEXT COLLATE "C" NOT NULL DEFAULT 'pending'
    CHECK (sync_status IN ('pending', 'synced', 'failed', 'stale')),
  created_at TEXT COLLATE "C" NOT NULL,
  updated_at TEXT COLLATE "C" NOT NULL
);

-- One row for each connection that has written: what it committed last. Read only when the answer
-- to a commit was lost.
CREATE TABLE commit_tokens (
  token TEXT COLLATE "C" PRIMARY KEY,
  at TIMESTAMPTZ NOT NULL DEFAULT now()
);
