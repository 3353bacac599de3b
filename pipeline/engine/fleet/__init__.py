"""Many machines: jobs of many clients come over a queue (Procrastinate on PostgreSQL) to any number of workers.

What runs is what runs in a single service: the same step processes, run by :func:`pipeline.engine.runtime.run_job` with
the same leases, back-off and records. Only who runs what, and when, is decided by the queue:

* :mod:`settling`  what is due of a job, from the ledger alone, so that any worker may find it out
* :mod:`queue`     the queue in its database: runs, timers, workers that are alive
* :mod:`steps`     what a step process does for a fleet
* :mod:`room`      the step processes of one worker, shared by its clients
* :mod:`roster`    the clients that a worker has, and whether other workers have the same ones
* :mod:`worker`    ``mistok worker``
* :mod:`standing`  how it stands, for people

Nothing of this is loaded by a service that has no queue.
"""
