"""Other queues, measured beside this one: same job, same callers, everything durable."""
