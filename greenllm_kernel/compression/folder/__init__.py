"""Compressed models on disk: a Hugging Face folder, safetensors only, with ``greenllm.json`` beside ``config.json``."""
