"""Compares models: what each draws for a token, how well it still does, and what that allows one to say."""
