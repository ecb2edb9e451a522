"""How Lockstep is put on a machine: images, topics, and the whole stack on one machine."""
