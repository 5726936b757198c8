"""What a channel's readings make known: cumulative joules, edges, uncertainty."""
