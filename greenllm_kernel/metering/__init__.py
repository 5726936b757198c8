"""From sensors to joules: meters, their sampler, traces and windows."""
