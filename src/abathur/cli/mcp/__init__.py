"""`abathur mcp`: servers for agents and editors."""
