"""Creates the topics of `topics.yml`. What exists stays; another partition count is refused.

Run as `python -m deploy.kafka.topics` with KAFKA_BOOTSTRAP_SERVERS and LOCKSTEP_PARTITIONS.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

TOPICS_FILE = Path(__file__).with_name("topics.yml")


class PartitionsDiffer(ValueError):
    """A topic stands with another number of partitions than this installation asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. `partitions` is already a number: the shards, or what the file says."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def read_topics(partitions: int, file: Path = TOPICS_FILE) -> list[Topic]:
    return [
        Topic(
            name=entry["name"],
            partitions=partitions if entry["partitions"] == "sharded" else entry["partitions"],
            config={key: str(value) for key, value in entry.get("config", {}).items()},
        )
        for entry in yaml.safe_load(file.read_text())["topics"]
    ]


async def create_topics(
    bootstrap_servers: str, topics: Sequence[Topic], *, replication_factor: int = 1
) -> list[str]:
    """Create the missing ones and return their names. Raise `PartitionsDiffer` for a wrong one."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        standing = await _partitions_of(admin)
        _refuse_other_counts(topics, standing)
        missing = [topic for topic in topics if topic.name not in standing]
        if missing:
            await _create(admin, missing, replication_factor)
        return [topic.name for topic in missing]
    finally:
        await admin.close()


async def _partitions_of(admin: AIOKafkaAdminClient) -> dict[str, int]:
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in await admin.describe_topics()
        if topic["error_code"] == 0
    }


def _refuse_other_counts(topics: Sequence[Topic], standing: dict[str, int]) -> None:
    for topic in topics:
        count = standing.get(topic.name, topic.partitions)
        if count != topic.partitions:
            raise PartitionsDiffer(
                f"topic {topic.name} has {count} partitions, this installation asks for "
                f"{topic.partitions}: set LOCKSTEP_PARTITIONS={count}, or start from empty servers"
            )


async def _create(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic], replication_factor: int
) -> None:
    answer = await admin.create_topics(
        [
            NewTopic(
                name=topic.name,
                num_partitions=topic.partitions,
                replication_factor=replication_factor,
                topic_configs=topic.config,
            )
            for topic in topics
        ]
    )
    for name, code, *_ in answer.topic_errors:  # type: ignore[attr-defined]  # Built from a schema.
        # Somebody else may create them at the same moment: that is as good.
        if code not in (0, TopicAlreadyExistsError.errno):
            raise for_code(code)(f"topic {name}: error {code}")


def main() -> int:
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    partitions = int(os.environ.get("LOCKSTEP_PARTITIONS", "4"))
    replicas = int(os.environ.get("LOCKSTEP_REPLICATION", "1"))
    try:
        created = asyncio.run(
            create_topics(servers, read_topics(partitions), replication_factor=replicas)
        )
    except KafkaConnectionError:
        return _say(f"no Kafka at {servers}: start it, or set KAFKA_BOOTSTRAP_SERVERS")
    except (KafkaError, PartitionsDiffer) as error:
        return _say(str(error))
    sys.stdout.write(f"topics created: {', '.join(created) or 'none were missing'}\n")
    return 0


def _say(problem: str) -> int:
    sys.stderr.write(f"{problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
