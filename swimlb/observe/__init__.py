"""What people and machines can see of a speaker: logs, and the local status API."""
