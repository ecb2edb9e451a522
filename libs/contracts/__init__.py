"""What travels on Kafka: the topics, the messages (generated in v1/) and their one translator."""
