"""`python -m abathur.mcp.memory_server`: the tools about memories over stdio."""

from __future__ import annotations

import sys

from abathur.mcp.catalogue import MEMORY
from abathur.mcp.older_entry import main

if __name__ == "__main__":
    sys.exit(main(MEMORY))
