"""Ways out for events besides the API: each sink reads the log from its own durable cursor, in a thread of its own."""
