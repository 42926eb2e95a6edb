"""The types of raw requests and responses, as a scoring script imports them; inside a service they are the server's own."""
