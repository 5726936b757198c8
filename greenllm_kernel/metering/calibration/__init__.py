"""Fits of an estimate's model to a sensor."""
