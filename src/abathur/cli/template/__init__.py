"""`abathur template`: sets of agents that a project takes over."""
