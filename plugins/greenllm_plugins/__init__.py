"""Built-in plugins: everything of GreenLLM that touches a vendor, a service or a method."""
