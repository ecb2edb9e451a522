"""The fixtures themselves: a migrated database per test, topics with the agreed partitions."""

import asyncio

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from deploy.kafka.topics import create_topics, read_topics
from libs.contracts import topics
from tests.servers import Database, Servers


async def test_a_test_gets_a_migrated_database_of_its_own(database: Database) -> None:
    connection = await asyncpg.connect(database.owner_dsn)

    partitions = await connection.fetchval("SELECT partitions FROM public.installation")
    await connection.close()

    assert partitions == 4


async def test_a_service_signs_in_with_its_own_role(database: Database) -> None:
    connection = await asyncpg.connect(database.dsn("executor"))

    user = await connection.fetchval("SELECT current_user")
    await connection.close()

    assert user == "lockstep_executor"


async def test_sharded_topics_have_one_partition_per_shard(
    servers: Servers, kafka_topics: int
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap_servers)
    await admin.start()
    described = await admin.describe_topics(list(topics.TYPE_OF_TOPIC))
    await admin.close()

    counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
    assert {counts[name] for name in topics.SHARDED} == {kafka_topics}
    assert counts[topics.NOTICES] == counts[topics.DEAD_LETTERS] == 1


async def test_creating_topics_again_and_together_changes_nothing(
    servers: Servers, kafka_topics: int
) -> None:
    wanted = read_topics(kafka_topics)

    created = await asyncio.gather(
        *(create_topics(servers.kafka_bootstrap_servers, wanted) for _ in range(3))
    )

    assert created == [[], [], []]
