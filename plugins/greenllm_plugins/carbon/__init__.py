"""Where carbon intensities come from."""
