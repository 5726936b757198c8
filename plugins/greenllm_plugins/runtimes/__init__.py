"""Ways to deploy models: one file each, and beside them what several of them share."""
