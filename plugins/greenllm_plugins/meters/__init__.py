"""Meters, one file for each family of sensors."""
