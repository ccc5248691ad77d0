"""What a process tells of itself: metrics, health, logs."""
