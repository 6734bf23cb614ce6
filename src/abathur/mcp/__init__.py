"""The front door for agents and editors: servers of the Model Context Protocol."""
