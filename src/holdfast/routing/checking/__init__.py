"""Answers that went out are checked behind the client's back, and what is found decides who serves."""
