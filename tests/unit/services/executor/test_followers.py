from libs.trading.shards import shard_of
from services.executor.followers import Followers
from tests.factories import a_follow, a_signal, an_account

SHARD = shard_of("account-1", 4)


def loaded() -> Followers:
    followers = Followers("fyers", 4)
    followers.take([SHARD], [a_follow()], [an_account()], {(SHARD, "master-1"): 3})
    return followers


def test_a_follow_covers_exactly_the_signals_between_its_borders() -> None:
    followers = loaded()
    followers.learn_follow(a_follow(version=2, from_seq=2, until_seq=4))

    reached = [seq for seq in range(1, 7) if followers.following(a_signal(seq=seq), SHARD)]

    assert reached == [3, 4]


def test_an_older_version_never_replaces_a_newer_one() -> None:
    followers = loaded()

    assert followers.learn_follow(a_follow(version=5, paused=True))
    assert not followers.learn_follow(a_follow(version=4))
    assert not followers.learn_follow(a_follow(version=5))
    assert followers.following(a_signal(), SHARD)[0].paused


def test_accounts_of_other_shards_and_brokers_fall_away() -> None:
    followers = loaded()
    elsewhere = next(f"x{n}" for n in range(99) if shard_of(f"x{n}", 4) != SHARD)

    assert not followers.learn_account(an_account(account_id=elsewhere))
    assert not followers.learn_follow(a_follow(account_id=elsewhere, version=9))
    assert not followers.learn_follow(a_follow(broker="other", version=9))


def test_a_lost_shard_leaves_nothing_behind() -> None:
    followers = loaded()

    assert followers.drop([SHARD]) == {"account-1"}
    assert followers.following(a_signal(), SHARD) == []
    assert followers.planned == {}
    assert not followers.learn_account(an_account())


def test_who_is_served_first_changes_from_signal_to_signal() -> None:
    followers = loaded()
    for n in range(2, 5):
        followers.learn_follow(a_follow(follow_id=f"follow-{n}"))

    firsts = {followers.following(a_signal(seq=seq), SHARD)[0].follow_id for seq in range(1, 5)}

    assert len(firsts) == 4
