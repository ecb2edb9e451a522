"""The vocabulary of copy trading. Standard library only; imports nothing else of this project."""
