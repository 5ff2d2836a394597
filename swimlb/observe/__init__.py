"""What people and machines can see of a process: logs, metrics, health."""
