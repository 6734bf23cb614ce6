"""What the queue and the swarm cost, measured against the same work done bare."""
