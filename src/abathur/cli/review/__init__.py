"""`abathur review`: questions that wait for a person."""
