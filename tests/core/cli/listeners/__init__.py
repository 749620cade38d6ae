"""A plugin that listens to what happens in the shop, for tests of whole shops."""
