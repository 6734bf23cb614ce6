-- Times are UTC text of fixed width (`2030-01-31T18:00:00.000000Z`), so text order is time order.
-- JSON is compact text. Booleans are 0 and 1.

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  app_name TEXT NOT NULL,
  user_id TEXT NOT NULL,
  project_id TEXT,
  status TEXT NOT NULL DEFAULT 'created'
    CHECK (status IN ('created', 'active', 'paused', 'terminated', 'archived')),
  events TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(events)),
  state TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(state)),
  metadata TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
  created_at TEXT NOT NULL,
  last_update_time TEXT NOT NULL,
  terminated_at TEXT,
  archived_at TEXT
);

CREATE INDEX sessions_by_project ON sessions (project_id, status);

CREATE TABLE workers (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  pid_started_at REAL NOT NULL,
  repository TEXT NOT NULL,
  max_agents INTEGER NOT NULL,
  started_at TEXT NOT NULL,
  heartbeat_at TEXT NOT NULL,
  lease_until TEXT NOT NULL,
  stop_requested_at TEXT,
  stopped_at TEXT
);

CREATE INDEX workers_live ON workers (id) WHERE stopped_at IS NULL;

CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  summary TEXT NOT NULL CHECK (length(summary) BETWEEN 1 AND 140),
  prompt TEXT NOT NULL,
  agent_type TEXT NOT NULL,
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 10),
  status TEXT NOT NULL CHECK (status IN
    ('pending', 'blocked', 'ready', 'running', 'completed', 'failed', 'cancelled')),
  source TEXT NOT NULL,
  parent_task_id TEXT REFERENCES tasks (id),
  session_id TEXT REFERENCES sessions (id) ON DELETE SET NULL,
  deadline TEXT,
  estimated_duration_seconds INTEGER,
  max_retries INTEGER NOT NULL,
  max_execution_timeout_seconds INTEGER NOT NULL,
  input_data TEXT NOT NULL DEFAULT '{}',
  result_data TEXT,
  error_message TEXT,
  feature_branch TEXT,
  task_branch TEXT,
  worktree_path TEXT,
  idempotency_key TEXT UNIQUE,
  created_by TEXT,
  submitted_at TEXT NOT NULL,
  started_at TEXT,
  completed_at TEXT,
  last_updated_at TEXT NOT NULL,
  not_before TEXT,
  dependency_depth INTEGER NOT NULL DEFAULT 0,
  unmet_count INTEGER NOT NULL DEFAULT 0 CHECK (unmet_count >= 0),
  rank INTEGER NOT NULL,
  fence INTEGER NOT NULL DEFAULT 0,
  worker_id TEXT REFERENCES workers (id),
  lease_until TEXT,
  attempt_count INTEGER NOT NULL DEFAULT 0,
  retry_count INTEGER NOT NULL DEFAULT 0,
  rework_count INTEGER NOT NULL DEFAULT 0,
  lost_count INTEGER NOT NULL DEFAULT 0,
  cancelled_by TEXT REFERENCES tasks (id)
);

-- Each index holds only the rows that one hot question asks for, so that its cost doesn't grow
-- with the number of finished tasks. The status is a column of them too, or else SQLite would
-- prefer tasks_by_status and sort.
CREATE INDEX tasks_ready ON tasks (status, rank, id) WHERE status = 'ready';
CREATE INDEX tasks_due ON tasks (status, not_before) WHERE status = 'pending';
CREATE INDEX tasks_leased ON tasks (status, worker_id, lease_until)
  WHERE status = 'running' AND worker_id IS NOT NULL;
CREATE INDEX tasks_by_status ON tasks (status, id);
CREATE INDEX tasks_by_parent ON tasks (parent_task_id) WHERE parent_task_id IS NOT NULL;
CREATE INDEX tasks_by_feature_branch ON tasks (feature_branch) WHERE feature_branch IS NOT NULL;

CREATE TABLE task_dependencies (
  prerequisite_task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  dependent_task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  dependency_type TEXT NOT NULL DEFAULT 'sequential',
  created_at TEXT NOT NULL,
  resolved_at TEXT,
  PRIMARY KEY (prerequisite_task_id, dependent_task_id),
  CHECK (prerequisite_task_id <> dependent_task_id)
) WITHOUT ROWID;

CREATE INDEX task_dependencies_by_dependent ON task_dependencies (dependent_task_id);

CREATE TABLE attempts (
  task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number > 0),
  fence INTEGER NOT NULL,
  worker_id TEXT NOT NULL REFERENCES workers (id),
  runtime TEXT,
  model TEXT,
  session_id TEXT,
  branch TEXT,
  worktree_path TEXT,
  base_commit TEXT,
  head_commit TEXT,
  salvage_ref TEXT,
  transcript_path TEXT,
  pid INTEGER,
  pid_started_at REAL,
  lease_until TEXT,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  outcome TEXT,
  exit_code INTEGER,
  error_message TEXT,
  usage TEXT,
  feedback TEXT,
  PRIMARY KEY (task_id, number)
) WITHOUT ROWID;

CREATE INDEX attempts_by_branch ON attempts (branch) WHERE branch IS NOT NULL;
CREATE INDEX attempts_unended ON attempts (worker_id) WHERE ended_at IS NULL;

CREATE TABLE run_events (
  task_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  text TEXT NOT NULL DEFAULT '',
  data TEXT NOT NULL DEFAULT '{}',
  PRIMARY KEY (task_id, attempt, sequence),
  FOREIGN KEY (task_id, attempt) REFERENCES attempts (task_id, number) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE landings (
  id TEXT PRIMARY KEY,
  task_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  target TEXT NOT NULL,
  base_commit TEXT NOT NULL,
  work_commit TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN
    ('queued', 'running', 'landed', 'nothing_changed', 'conflicted', 'rejected', 'cancelled')),
  rank INTEGER NOT NULL,
  worker_id TEXT REFERENCES workers (id),
  lease_until TEXT,
  fence INTEGER NOT NULL DEFAULT 0,
  requested_at TEXT NOT NULL,
  started_at TEXT,
  ended_at TEXT,
  target_before TEXT,
  merge_commit TEXT,
  verify_log TEXT,
  detail TEXT,
  proof TEXT,
  facts TEXT,
  UNIQUE (task_id, attempt),
  FOREIGN KEY (task_id, attempt) REFERENCES attempts (task_id, number) ON DELETE CASCADE,
  -- A landing without a proof can't be written down as one.
  CHECK (state NOT IN ('landed', 'nothing_changed') OR proof IS NOT NULL)
);

CREATE INDEX landings_open ON landings (target, rank, id) WHERE state IN ('queued', 'running');
CREATE INDEX landings_ended ON landings (ended_at);

CREATE TABLE agents (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  specialization TEXT NOT NULL,
  task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  state TEXT NOT NULL,
  model TEXT NOT NULL,
  spawned_at TEXT NOT NULL,
  terminated_at TEXT,
  resource_usage TEXT,
  session_id TEXT REFERENCES sessions (id) ON DELETE SET NULL
);

CREATE INDEX agents_by_task ON agents (task_id, state);

CREATE TABLE memory_entries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL CHECK (json_valid(value)),
  memory_type TEXT NOT NULL CHECK (memory_type IN ('semantic', 'episodic', 'procedural')),
  version INTEGER NOT NULL DEFAULT 1 CHECK (version > 0),
  is_deleted INTEGER NOT NULL DEFAULT 0,
  metadata TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
  created_by TEXT,
  updated_by TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (namespace, key, version)
);

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  timestamp TEXT NOT NULL,
  task_id TEXT,
  agent_id TEXT REFERENCES agents (id),
  actor TEXT NOT NULL,
  action_type TEXT NOT NULL,
  action_data TEXT NOT NULL DEFAULT '{}',
  result TEXT,
  memory_operation_type TEXT,
  memory_namespace TEXT,
  memory_entry_id INTEGER REFERENCES memory_entries (id) ON DELETE SET NULL
);

CREATE INDEX audit_by_task ON audit (task_id, id) WHERE task_id IS NOT NULL;

CREATE TABLE checkpoints (
  task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  iteration INTEGER NOT NULL,
  state TEXT NOT NULL,
  created_at TEXT NOT NULL,
  session_id TEXT REFERENCES sessions (id) ON DELETE SET NULL,
  PRIMARY KEY (task_id, iteration)
) WITHOUT ROWID;

CREATE TABLE metrics (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  timestamp TEXT NOT NULL,
  metric_name TEXT NOT NULL,
  metric_value REAL NOT NULL CHECK (metric_value >= 0),
  labels TEXT NOT NULL DEFAULT '{}'
);

CREATE INDEX metrics_by_name ON metrics (metric_name, timestamp);

CREATE TABLE document_index (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  file_path TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL,
  document_type TEXT,
  content_hash TEXT NOT NULL,
  chunk_count INTEGER NOT NULL DEFAULT 1,
  embedding_model TEXT,
  embedding_blob BLOB,
  metadata TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
  last_synced_at TEXT,
  sync_status TEXT NOT NULL DEFAULT 'pending'
    CHECK (sync_status IN ('pending', 'synced', 'failed', 'stale')),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
