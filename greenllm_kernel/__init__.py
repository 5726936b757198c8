"""GreenLLM: what each notebook cell costs in energy and emissions, with an honest interval."""

__version__ = "0.1.0"
