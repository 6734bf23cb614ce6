"""`abathur agent`: the agent types of a project."""
