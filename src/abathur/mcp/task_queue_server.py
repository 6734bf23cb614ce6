"""`python -m abathur.mcp.task_queue_server`: the tools about tasks over stdio."""

from __future__ import annotations

import sys

from abathur.mcp.catalogue import TASKS
from abathur.mcp.older_entry import main

if __name__ == "__main__":
    sys.exit(main(TASKS))
