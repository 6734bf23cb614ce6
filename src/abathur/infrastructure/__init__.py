"""What talks to the outside: database, git, processes, agent programs, files."""
