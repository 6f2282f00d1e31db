"""The write path: each visit is committed to Table Storage exactly once, together with the totals that it changes.

`deduplicator` recognises a visit that is sent again, `committer` gathers visits into batches, `shards` chooses the
partition and knows the sum over all of them, `table` sends the requests, `rows` is the format of what it stores,
`errors` what can go wrong. `clock` is the time of visits, `single_flight` shares one run of something slow among
concurrent callers. May import visits, identity, network and telemetry.
"""
