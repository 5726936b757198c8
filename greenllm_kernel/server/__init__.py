"""The small Jupyter Server part: what was measured earlier, and the host's power where no kernel is measured."""
