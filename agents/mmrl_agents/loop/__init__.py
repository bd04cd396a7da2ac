"""The training loop: learning, callbacks, state, profiler, progress."""
