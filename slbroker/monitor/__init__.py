"""The monitor: one process that asks edges, brokers and workers for their figures, and shows them over HTTP."""
