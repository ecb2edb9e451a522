-- Streaming's own tables: which replica holds which shards, what each feed is doing, alarms, outbox.

create table streaming.shard_leases (
    broker text not null,
    shard integer not null check (shard >= 0),
    owner text not null,
    epoch bigint not null,
    until timestamptz not null,
    primary key (broker, shard)
);

create table streaming.replicas (
    owner text primary key,
    seen_at timestamptz not null
);

create table streaming.feeds (
    account_id uuid primary key,
    user_id uuid not null,
    broker text not null,
    shard integer not null,
    owner text not null,
    epoch bigint not null,
    state text not null check (state in ('connecting', 'connected', 'expired', 'down')),
    since timestamptz not null,
    last_message_at timestamptz,
    reconnects integer not null default 0,
    message text not null default ''
);

create table streaming.alarms (
    id bigint generated always as identity primary key,
    name text not null,
    subject text not null,
    user_id uuid,
    figures jsonb not null default '{}',
    opened_at timestamptz not null default clock_timestamp(),
    cleared_at timestamptz
);

create unique index alarms_open on streaming.alarms (name, subject) where cleared_at is null;

create table streaming.outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    key text not null,
    partitions integer[] not null,
    payload bytea not null,
    headers jsonb not null default '{}',
    created_at timestamptz not null default clock_timestamp()
);

grant select, insert, update, delete
on streaming.shard_leases, streaming.replicas, streaming.feeds, streaming.alarms, streaming.outbox
to lockstep_streaming;
