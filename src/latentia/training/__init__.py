"""Training on Lightning: the module, callbacks, checkpoints, precision and hardware choices."""
