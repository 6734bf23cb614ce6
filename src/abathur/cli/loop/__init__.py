"""`abathur loop ...`."""
