"""The Redis backend, for Redis 7, Valkey and what speaks like them.

The layout, all below one prefix:

======================  ===========  ================================================================
key                     type         holds
======================  ===========  ================================================================
`PREFIX:format`         string       the number of this layout
`PREFIX:version`        string       the last version that was given out
`PREFIX:record:KEY`     hash         `value`, `version`, and where set `expires_at` and `due_at`
`PREFIX:keys`           sorted set   the keys of all records, scored 0, so in the order of their bytes
`PREFIX:expiring`       sorted set   the keys of the records that expire, scored by when
`PREFIX:queue:QUEUE`    sorted set   the keys directly below a queue that are due, scored by when
`PREFIX:log:NAME`       list         the entries of a log
`PREFIX:logs`           sorted set   the names of the logs that have entries, scored 0
======================  ===========  ================================================================

Changes are published on the channels `PREFIX:changes:DATABASE:KEY`. Keys, queues and names are
encoded by `holdfast.storage.keys`.
"""

from __future__ import annotations

from holdfast.storage.redis.store import RedisStore

__all__ = ["RedisStore"]
