"""What a sensor is like: its refresh, latency, noise, and whether its figures agree."""
