"""What the machine draws while nothing runs."""
