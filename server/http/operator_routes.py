"""The operator API's route table: the only place where its calls are listed.

Serving (:mod:`server.http.endpoint`), the OpenAPI document and the tests all read it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from server.errors import InvalidInput
from server.http import event_stream
from server.http.exchange import header
from server.http.output_answer import OUTPUT_HEADERS, answer_output
from server.http.queries import (
    EventsQuery,
    GroupsQuery,
    JobsQuery,
    LateWritesQuery,
    OutputQuery,
    ReasonQuery,
    numbers_of,
)
from server.http.routes import Route, Stream, reason_of
from server.http.schedule_routes import SCHEDULE_ROUTES
from server.submission import idempotency_key
from server.wire.operator import (
    MAX_SUBMIT_BODY,
    CreatedKeyView,
    DrainRequest,
    EventsView,
    ExplainView,
    FoundView,
    GroupsView,
    JobDetailView,
    JobsView,
    KeyRequest,
    KeysView,
    LateWritesView,
    LimitRequest,
    OneJobView,
    OneQueueView,
    OneRunnerView,
    OneSubmittedView,
    PriorityRequest,
    QueuesView,
    ReasonRequest,
    ReassignRequest,
    ResubmitRequest,
    RunnersView,
    StatsView,
    StopRequest,
    SubmitRequest,
    SubmittedListView,
)

if TYPE_CHECKING:
    from server.http.routes import Answer, Call
    from server.operator import OperatorApi


async def _submit(api: OperatorApi, call: Call) -> Answer:
    key = idempotency_key(header(call.scope, b"idempotency-key"))
    if isinstance(call.body, list):
        submitted = await api.submit(call.actor, call.body, idempotency_key=key)
        return SubmittedListView(jobs=submitted)
    [one] = await api.submit(call.actor, [call.body], idempotency_key=key)
    return OneSubmittedView(job=one)


async def _jobs(api: OperatorApi, call: Call) -> Answer:
    query: JobsQuery = call.query
    return await api.jobs(
        call.actor,
        filter=query.filter,
        limit=query.limit,
        after=query.after,
        order=query.order,
        numbers=numbers_of(query.numbers),
    )


async def _job_groups(api: OperatorApi, call: Call) -> Answer:
    query: GroupsQuery = call.query
    return await api.job_groups(call.actor, by=query.by, filter=query.filter, limit=query.limit)


async def _events(api: OperatorApi, call: Call) -> Answer:
    query: EventsQuery = call.query
    if not event_stream.is_wanted(call.scope):
        return await api.events(
            call.actor,
            job=query.job,
            runner=query.runner,
            by=query.actor,
            before=query.before,
            after=query.after,
            limit=query.limit,
        )
    if query != EventsQuery(after=query.after):
        raise InvalidInput("a stream of events takes no parameter but after")
    after = event_stream.last_event_id(call.scope)
    feed = api.follow(call.actor, after=query.after if after is None else after)
    authorization = header(call.scope, b"authorization")
    is_admitted = partial(api.keyring.is_good, authorization)
    return Stream(partial(event_stream.send_feed, feed, is_admitted))


async def _late_writes(api: OperatorApi, call: Call) -> Answer:
    return await api.late_writes(call.actor, before=call.query.before, limit=call.query.limit)


async def _forget(api: OperatorApi, call: Call) -> Answer:
    await api.forget(call.actor, call.params["runner"], reason_of(call))
    return None


async def _revoke(api: OperatorApi, call: Call) -> Answer:
    await api.revoke_key(call.actor, call.params["name"], reason_of(call))
    return None


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/jobs",
        "submit",
        "Submit one job, or a list of them: all are taken in, or none.",
        _submit,
        answer=(OneSubmittedView, SubmittedListView),
        status=201,
        body=SubmitRequest | list[SubmitRequest],
        max_body=MAX_SUBMIT_BODY,
        request_headers={"Idempotency-Key": "The same key with the same body is answered alike."},
        extra_statuses=(507,),
    ),
    Route(
        "GET",
        "/jobs",
        "read_own",
        "A page of jobs.",
        _jobs,
        answer=JobsView,
        query=JobsQuery,
    ),
    Route(
        "GET",
        "/jobs/groups",
        "read_own",
        "Jobs that are alike, counted: by what went wrong, by type, runner or queue.",
        _job_groups,
        answer=GroupsView,
        query=GroupsQuery,
    ),
    Route(
        "GET",
        "/jobs/{job}",
        "read_own",
        "One job with its attempts, events and lineage.",
        lambda api, call: api.job(call.actor, call.params["job"]),
        answer=JobDetailView,
        extra_statuses=(409,),
    ),
    Route(
        "GET",
        "/jobs/{job}/output",
        "read_own",
        "Console output as raw bytes; with search, where a text stands in it.",
        answer_output,
        answer=FoundView,
        query=OutputQuery,
        content_type="application/octet-stream",
        headers=OUTPUT_HEADERS,
        request_headers={"Range": "One range of bytes; open ends are fine."},
        extra_statuses=(206, 409, 416),
    ),
    Route(
        "GET",
        "/jobs/{job}/explain",
        "read_own",
        "Why a job is not running, runner by runner.",
        lambda api, call: api.explain(call.actor, call.params["job"]),
        answer=ExplainView,
        extra_statuses=(409,),
    ),
    Route(
        "POST",
        "/jobs/{job}/stop",
        "operate",
        "Stop a job: ask, wait the grace, kill.",
        lambda api, call: api.stop(call.actor, call.params["job"], call.body),
        answer=OneJobView,
        body=StopRequest,
    ),
    Route(
        "POST",
        "/jobs/{job}/resubmit",
        "operate",
        "Make a new job from one that has ended.",
        lambda api, call: api.resubmit(call.actor, call.params["job"], call.body),
        answer=OneJobView,
        body=ResubmitRequest,
        max_body=MAX_SUBMIT_BODY,
        extra_statuses=(507,),
    ),
    Route(
        "POST",
        "/jobs/{job}/reassign",
        "operate",
        "Move a job to another queue or runner.",
        lambda api, call: api.reassign(call.actor, call.params["job"], call.body),
        answer=OneJobView,
        body=ReassignRequest,
    ),
    Route(
        "POST",
        "/jobs/{job}/priority",
        "operate",
        "Let a job go earlier (higher) or later.",
        lambda api, call: api.set_priority(call.actor, call.params["job"], call.body),
        answer=OneJobView,
        body=PriorityRequest,
    ),
    Route(
        "GET",
        "/runners",
        "read",
        "All runners, those with problems first.",
        lambda api, call: api.runners(call.actor),
        answer=RunnersView,
    ),
    Route(
        "GET",
        "/runners/{runner}",
        "read",
        "One runner, by name, id or the beginning of its id.",
        lambda api, call: api.runner(call.actor, call.params["runner"]),
        answer=OneRunnerView,
        extra_statuses=(409,),
    ),
    Route(
        "POST",
        "/runners/{runner}/drain",
        "operate",
        "Give a runner nothing new.",
        lambda api, call: api.drain(call.actor, call.params["runner"], call.body),
        answer=OneRunnerView,
        body=DrainRequest,
    ),
    Route(
        "POST",
        "/runners/{runner}/resume",
        "operate",
        "End a drain.",
        lambda api, call: api.resume_runner(call.actor, call.params["runner"], call.body),
        answer=OneRunnerView,
        body=ReasonRequest,
    ),
    Route(
        "DELETE",
        "/runners/{runner}",
        "operate",
        "Take a runner that is gone off the lists.",
        _forget,
        status=204,
        query=ReasonQuery,
        body=ReasonRequest,
    ),
    Route(
        "GET",
        "/queues",
        "read",
        "All queues.",
        lambda api, call: api.queues(call.actor),
        answer=QueuesView,
    ),
    Route(
        "GET",
        "/queues/{queue}",
        "read",
        "One queue.",
        lambda api, call: api.queue(call.actor, call.params["queue"]),
        answer=OneQueueView,
    ),
    Route(
        "POST",
        "/queues/{queue}/pause",
        "operate",
        "Start no more jobs of a queue; what runs goes on.",
        lambda api, call: api.pause_queue(call.actor, call.params["queue"], call.body),
        answer=OneQueueView,
        body=ReasonRequest,
    ),
    Route(
        "POST",
        "/queues/{queue}/resume",
        "operate",
        "Start jobs of a queue again.",
        lambda api, call: api.resume_queue(call.actor, call.params["queue"], call.body),
        answer=OneQueueView,
        body=ReasonRequest,
    ),
    Route(
        "POST",
        "/queues/{queue}/limit",
        "operate",
        "Let at most so many jobs of a queue be active; null: any number.",
        lambda api, call: api.limit_queue(call.actor, call.params["queue"], call.body),
        answer=OneQueueView,
        body=LimitRequest,
    ),
    *SCHEDULE_ROUTES,
    Route(
        "GET",
        "/late-writes",
        "read",
        "What came for attempts that no longer counted, newest first.",
        _late_writes,
        answer=LateWritesView,
        query=LateWritesQuery,
    ),
    Route(
        "GET",
        "/stats",
        "read",
        "Counts, ages and rates: what a header shows.",
        lambda api, call: api.stats(call.actor),
        answer=StatsView,
    ),
    Route(
        "GET",
        "/events",
        "read",
        "A page of events; with Accept: text/event-stream, all that follow as they happen.",
        _events,
        answer=EventsView,
        query=EventsQuery,
        content_type=event_stream.CONTENT_TYPE,
        request_headers={
            "Accept": "text/event-stream asks for the stream.",
            "Last-Event-ID": "Where a stream goes on; wins over after.",
        },
        extra_statuses=(404, 409),
    ),
    Route(
        "GET",
        "/keys",
        "keys",
        "All keys, without their secrets.",
        lambda api, call: api.keys(call.actor),
        answer=KeysView,
    ),
    Route(
        "POST",
        "/keys",
        "keys",
        "Make a named key; its secret is told this once.",
        lambda api, call: api.create_key(call.actor, call.body),
        answer=CreatedKeyView,
        status=201,
        body=KeyRequest,
    ),
    Route(
        "DELETE",
        "/keys/{name}",
        "keys",
        "End a key at once.",
        _revoke,
        status=204,
        query=ReasonQuery,
        body=ReasonRequest,
    ),
)
