"""The running swarm: loops that claim, run, watch and land, and own the lifetimes of all of it."""
