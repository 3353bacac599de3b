"""What lies in a queue's database beside Procrastinate's own tables, and how it comes there.

``mistok_workers`` are the workers' signs of life. ``mistok_queue_sets`` and ``mistok_set_queues`` are the clients that
workers have, as sets of names of queues: a worker that looks for work names its set, and need not send ten thousand
names each time. ``mistok_fetch_job_v1`` is Procrastinate's ``procrastinate_fetch_job_v2`` with another way to the same
job: that one compares every job that waits, timers that are not due included, with all names that it is given; this one
goes through what is due, in the order in which it is to be handed out, and looks each up in the set, until one fits.

Every part is added to what is there and changes nothing of it, so that workers of an older Mistok, which fetch by
Procrastinate's own function, and newer ones work beside each other. A function's body never changes: another one has
another number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

if TYPE_CHECKING:
    import psycopg

#: Unused for so long, a set is forgotten. A worker tells that it uses its sets every hour.
KEPT_FOR = "7 days"

TABLES: LiteralString = """
CREATE TABLE IF NOT EXISTS mistok_workers (
    owner text PRIMARY KEY,
    seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    said jsonb NOT NULL,
    clients jsonb NOT NULL
);
CREATE TABLE IF NOT EXISTS mistok_queue (made_by text NOT NULL);
CREATE TABLE IF NOT EXISTS mistok_queue_sets (
    id text PRIMARY KEY,
    used timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS mistok_set_queues (
    set_id text NOT NULL,
    queue_name text NOT NULL,
    PRIMARY KEY (set_id, queue_name)
);
CREATE INDEX IF NOT EXISTS mistok_runs_by_lock ON procrastinate_jobs (lock)
    WHERE status IN ('todo', 'doing') AND lock IS NOT NULL;
CREATE INDEX IF NOT EXISTS mistok_jobs_by_queue ON procrastinate_jobs (queue_name, scheduled_at)
    WHERE status IN ('todo', 'doing');
CREATE INDEX IF NOT EXISTS mistok_runs_by_turn ON procrastinate_jobs (priority DESC)
    WHERE status IN ('todo', 'doing') AND lock IS NOT NULL;
CREATE INDEX IF NOT EXISTS mistok_runs_waiting ON procrastinate_jobs (priority DESC, id)
    WHERE status = 'todo' AND task_name <> 'mistok.timer';
CREATE INDEX IF NOT EXISTS mistok_timers_waiting
    ON procrastinate_jobs ((COALESCE(scheduled_at, '-infinity'::timestamptz)), id)
    WHERE status = 'todo' AND task_name = 'mistok.timer';
"""

FETCH = "mistok_fetch_job_v1"
#: The plans are the indexes', whatever the statistics say of tables that are empty now and full in a second. What is
#: asked for each row (a scalar subquery, ``OFFSET 0``) cannot become a join, which would go through the whole set.
_FETCHING: LiteralString = """
CREATE FUNCTION mistok_fetch_job_v1(p_set text, p_timers boolean, p_worker_id bigint)
    RETURNS procrastinate_jobs
    LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET enable_sort = off SET enable_incremental_sort = off SET jit = off
AS $$
DECLARE
    found_id bigint;
    found_job procrastinate_jobs;
BEGIN
    IF NOT EXISTS (SELECT FROM mistok_queue_sets WHERE id = p_set) THEN
        RAISE no_data_found USING MESSAGE = 'No set of queues ' || p_set;
    END IF;
    IF p_timers THEN
        SELECT jobs.id INTO found_id FROM procrastinate_jobs AS jobs
            WHERE jobs.status = 'todo' AND jobs.queue_name = 'mistok-keepers' AND jobs.task_name <> 'mistok.timer'
            AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
            ORDER BY jobs.scheduled_at LIMIT 1
            FOR UPDATE OF jobs SKIP LOCKED;
        IF found_id IS NULL THEN
            SELECT jobs.id INTO found_id FROM procrastinate_jobs AS jobs
                WHERE jobs.status = 'todo' AND jobs.task_name = 'mistok.timer'
                AND COALESCE(jobs.scheduled_at, '-infinity'::timestamptz) <= now()
                AND (
                    SELECT true FROM mistok_set_queues AS has
                    WHERE has.set_id = p_set AND has.queue_name = jobs.queue_name::text
                )
                ORDER BY COALESCE(jobs.scheduled_at, '-infinity'::timestamptz), jobs.id LIMIT 1
                FOR UPDATE OF jobs SKIP LOCKED;
        END IF;
    ELSE
        SELECT jobs.id INTO found_id FROM procrastinate_jobs AS jobs
            WHERE jobs.status = 'todo' AND jobs.task_name <> 'mistok.timer'
            AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
            AND (
                SELECT true FROM mistok_set_queues AS has
                WHERE has.set_id = p_set AND has.queue_name = jobs.queue_name::text
            )
            AND NOT EXISTS (
                SELECT FROM procrastinate_jobs AS other
                WHERE other.lock = jobs.lock AND other.status IN ('todo', 'doing')
                AND (
                    other.status = 'doing' OR other.priority > jobs.priority
                    OR (other.priority = jobs.priority AND other.id < jobs.id)
                )
                OFFSET 0
            )
            ORDER BY jobs.priority DESC, jobs.id LIMIT 1
            FOR UPDATE OF jobs SKIP LOCKED;
    END IF;
    IF found_id IS NOT NULL THEN
        UPDATE procrastinate_jobs SET status = 'doing', worker_id = p_worker_id
            WHERE id = found_id RETURNING * INTO found_job;
    END IF;
    RETURN found_job;
END;
$$
"""

#: A run that is asked for wakes the workers, a timer that is set does not. Procrastinate's own channels are one for
#: each client, which PostgreSQL goes through at each notification, and one for all, which tells of timers, too.
RUNS = "mistok_runs"
_TELL = "mistok_tell_of_run_v1"
_TELLING: LiteralString = """
CREATE FUNCTION mistok_tell_of_run_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.task_name <> 'mistok.timer' THEN
        PERFORM pg_notify('mistok_runs', json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text);
    END IF;
    RETURN NULL;
END;
$$;
CREATE TRIGGER mistok_tell_of_run_v1 AFTER INSERT ON procrastinate_jobs
    FOR EACH ROW EXECUTE FUNCTION mistok_tell_of_run_v1();
"""


def make(conn: psycopg.Connection[Any]) -> None:
    """Add what is missing, in one transaction; to be called by one at a time."""
    with conn.transaction():
        conn.execute(TABLES)
        if not has(conn, FETCH):
            conn.execute(_FETCHING)
        if not has(conn, _TELL):
            conn.execute(_TELLING)


def has(conn: psycopg.Connection[Any], function: str) -> bool:
    """Whether the database has a function of this name."""
    row = conn.execute("SELECT 1 AS it FROM pg_proc WHERE proname = %s", [function]).fetchone()
    return row is not None
