"""A trace store in the tables of a database, whichever that is."""
