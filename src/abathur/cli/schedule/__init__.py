"""`abathur schedule`: tasks that come again."""
