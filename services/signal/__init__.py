"""The signal service: what masters decide, who follows it, and the word of both on the bus."""
