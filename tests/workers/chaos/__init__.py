"""A plugin whose workflows leave traces, for tests of worker processes."""
