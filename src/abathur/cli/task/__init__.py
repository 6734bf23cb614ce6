"""`abathur task`: one module for each command."""
