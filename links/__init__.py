"""Links: which entities of two modules belong together; one file per link."""
