"""`abathur salvage`: work that was kept without landing."""
