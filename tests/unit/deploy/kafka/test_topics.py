"""The topics on file are the topics of the code."""

from deploy.kafka.topics import read_topics
from libs.contracts import topics


def test_the_file_names_every_topic_of_the_contract_and_no_other() -> None:
    assert {topic.name for topic in read_topics(4)} == set(topics.TYPE_OF_TOPIC)


def test_sharded_topics_get_a_partition_per_shard_and_the_others_one() -> None:
    counts = {topic.name: topic.partitions for topic in read_topics(32)}

    assert {counts.pop(name) for name in topics.SHARDED} == {32}
    assert set(counts.values()) == {1}


def test_state_topics_are_compacted_and_no_other_is() -> None:
    compacted = {t.name for t in read_topics(4) if t.config["cleanup.policy"] == "compact"}

    assert compacted == {topics.FOLLOW_EVENTS, topics.SESSION_EVENTS}
