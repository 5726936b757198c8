"""What is done with a record once its window is closed."""
