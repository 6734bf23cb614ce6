"""The repository that the swarm works on, through the git program."""
