"""The shell around the scheduler: the event loop on one side, the threads that compute on the other."""
