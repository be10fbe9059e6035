"""The trace store on Postgres, for teams, tested with Postgres 16 and 18."""
