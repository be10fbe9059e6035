"""The journal of one process: what began and what ended, in memory that outlives the process."""
