"""The words that names of columns, rows and statuses are made of: one table, read by ``names``.

A new word is a new entry here, or a word more in one: docs/reference/vocabulary.md is made from it,
and what the word makes of a table is in docs/traces.md."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """Words of one meaning."""

    group: str  # what kind of word it is: a key of ``GROUPS``
    meaning: str  # within the group
    words: str  # in small letters, with spaces between; ``_`` joins the words of a longer name


GROUPS = {  # in the order of the page of the docs
    "unit": "Units of time. One stands at the end of a name, in brackets, or before *per*.",
    "role": "What a column is, where its whole name is one of these words, perhaps with a number, "
    "`_id`, `_name`, `_index` or the like behind it.",
    "edge": "When a call began and ended, perhaps beside a word for a clock.",
    "edge clock": "What may stand beside a word for a start or an end.",
    "duration": "How long something took.",
    "of a call": "What may stand beside a word for a duration, so that it is that of a call.",
    "either": "A duration, or a clock that runs on: asked for, where it only grows.",
    "step": "A duration with one of these words and none for a part is that of a whole step.",
    "part": "A part of a step. A *computing* part that stands alone is read as the duration, which "
    "is said; another one is not.",
    "all-reduce": "How long a rank was in the all-reduce, if nothing else is in the name but a "
    "word for a duration, a step, or *beside*.",
    "place": "A worker's host, where a rank has a column as well.",
    "counted": "What is counted: with a unit of time behind it, `examples_sec`, it is a rate.",
    "no duration": "A name with one of these words is not how long a call took.",
    "apart": "What tells rows of one worker and round apart: as a part of the worker's name, or of "
    "the round. Other columns that do so are offered as a filter.",
    "clock label": "Labels that are clocks, too: without a duration beside one, the difference "
    "between rows of a worker is read.",
    "host": "What numbered columns of workers are called.",
    "host alone": "Words for no duration that a machine may be called, before a number: `log-7`.",
    "summary": "Rows and workers whose labels have these words, or those of a summary among *no "
    "duration*, alone are summaries of others: they are left out, which is said.",
    "failed": "What stands in a cell, or as the status of a call, that failed.",
}

VOCABULARY = (
    Entry("unit", "s", "s sec secs second seconds"),
    Entry("unit", "ms", "ms msec msecs milli millis millisecond milliseconds"),
    Entry("unit", "us", "us µs μs usec usecs micro micros microsecond microseconds"),
    Entry("unit", "ns", "ns nsec nsecs nano nanos nanosecond nanoseconds"),
    Entry("unit", "min", "min mins minute minutes"),
    Entry("unit", "h", "h hr hrs hour hours"),
    Entry("unit", "days", "day days"),
    Entry("unit", "cs", "cs csec centisecond centiseconds"),
    Entry("unit", "ds", "ds dsec decisecond deciseconds"),
    Entry("unit", "ps", "ps picosecond picoseconds"),
    Entry("unit", "ticks", "ticks"),
    Entry("unit", "cycles", "cycles"),
    Entry("unit", "jiffies", "jiffies"),
    Entry("unit", "clocks", "clocks"),
    Entry(
        "role",
        "worker",
        "worker host hostname host_name node nodename node_name nodelist node_list rank "
        "world_rank dp_rank global_rank machine instance pod pod_name device server executor "
        "client cid replica",
    ),
    Entry(
        "role",
        "round",
        "round step iteration iter global_step train_step training_step train_iter "
        "train_iteration training_iteration batch minibatch mini_batch time_step timestep "
        "server_round rnd communication_round num_updates repetition",
    ),
    Entry("role", "load", "load"),
    Entry("role", "rack", "rack zone group availability_zone"),
    Entry("role", "group", "job run experiment trial session jobid run_name job_name"),
    Entry(
        "role",
        "event",
        "event event_type metric metric_name key tag variable statistic stat quantile le",
    ),
    Entry("role", "value", "value val"),
    Entry("role", "unit", "unit units time_unit"),
    Entry("role", "attempt", "attempt retry retries try attempt_number task_attempt"),
    Entry(
        "role",
        "status",
        "status state task_status job_state phase ok success succeeded failed failure error "
        "timed_out killed crashed result "
        "outcome exit_code exit_status return_code returncode rc error_code exitcode status_code "
        "http_status http_code response_code code exception error_message failure_reason traceback",
    ),
    Entry(
        "role",
        "label",
        "label index idx row id unnamed level timestamp time_stamp ts date datetime wall_time "
        "time_utc created_at logged_at",
    ),
    Entry("edge", "start", "start begin started began"),
    Entry("edge", "end", "end stop finish ended stopped finished"),
    Entry("edge clock", "", "t ts time at timestamp date"),
    Entry(
        "duration",
        "",
        "duration dur time elapsed latency delay runtime walltime took seconds",
    ),
    Entry(
        "of a call",
        "",
        "run step iteration iter it round batch minibatch epoch compute task train training "
        "execution exec processing response completion call worker job per this "
        "executor raw real wall perf timing timings timer profile",
    ),
    Entry("either", "", "elapsed runtime walltime"),
    Entry("step", "", "step iteration iter it round batch minibatch epoch"),
    Entry(
        "part",
        "computing",
        "compute computation computing forward fwd backward bwd fwdbwd kernel own work busy local "
        "processing",
    ),
    Entry("part", "loading data", "data dataloader loader loading"),
    Entry("part", "the optimizer's", "optimizer optimiser optim opt"),
    Entry(
        "all-reduce",
        "",
        "allreduce nccl comm comms communication collective collectives",
    ),
    Entry("all-reduce", "beside", "exposed grad grads gradient gradients per"),
    Entry("place", "", "host hostname node nodename machine server instance"),
    Entry(
        "counted",
        "",
        "examples example_count ops op_count requests reqs req queries transactions packets frames "
        "bits bit kbit mbit gbit tbit calls iters its iterations batches minibatches steps epochs "
        "events messages msgs words sequences seqs sentences documents docs pixels points tasks "
        "img imgs tok toks flop mflop gflop tflop pflop "
        "samples tokens images records rows bytes kb mb gb tb kib mib gib tib",
    ),
    Entry(
        "no duration",
        "a rate",
        "rate throughput speed bandwidth fps ips qps rps tps sps bps kbps mbps gbps hz khz mhz "
        "ghz flops gflops tflops mfu freq frequency rpm iops",
    ),
    Entry("no duration", "a logarithm", "log log2 log10 ln logarithm"),
    Entry(
        "no duration",
        "a spread",
        "std stddev stdev sd var variance stderr sem cv mad iqr jitter skew skewness kurtosis "
        "drift error ci confidence lower upper",
    ),
    Entry(
        "no duration",
        "a summary",
        "min max mean avg average median med mode minimum maximum total sum cumulative cum "
        "cumsum percentile quantile slowest fastest overall aggregate bucket ema smoothed all le "
        "best worst rolling moving",
    ),
    Entry(
        "no duration",
        "a share",
        "percent pct share ratio fraction util utilization utilisation usage efficiency "
        "occupancy load speedup slowdown factor normalized normalised",
    ),
    Entry(
        "no duration",
        "a count",
        "count counts counter num samples tokens images records rows size length bytes kb mb "
        "gb kib mib gib retries errors failures depth threads concurrency inflight",
    ),
    Entry(
        "no duration",
        "another quantity",
        "loss lr accuracy acc perplexity ppl temp temperature celsius watts power "
        "volts memory mem rss vram norm learning seed score energy "
        "joules amps weight priority age offset",
    ),
    Entry(
        "no duration",
        "a plan",
        "eta timeout deadline target expected predicted prediction forecast estimate estimated "
        "remaining left go to countdown limit threshold sla slo budget ttl slack headroom",
    ),
    Entry(
        "no duration",
        "a wait",
        "wait waiting waited idle queue queued queueing queuing blocked stall stalled starved "
        "sleep sleeping pending scheduler scheduling",
    ),
    Entry(
        "no duration",
        "a clock",
        "timestamp stamp date datetime clock wall epoch utc unix uptime monotonic since relative",
    ),
    Entry(
        "apart",
        "worker",
        "local_rank localrank gpu gpu_id cuda cuda_device device device_id slot process pid thread "
        "container core socket lane card",
    ),
    Entry("apart", "round", "epoch cycle generation pass fold era"),
    Entry(
        "clock label",
        "",
        "timestamp time_stamp ts wall_time datetime time_utc created_at logged_at",
    ),
    Entry(
        "host", "", "worker host node gpu cpu tpu rank machine server executor instance pod device"
    ),
    Entry("host alone", "", "log max"),
    Entry("summary", "", "count std stddev dev var variance totals sums averages grand subtotal"),
    Entry(
        "failed",
        "",
        "timeout timedout timed_out time_out expired "
        "failed fail failure error err erred killed dead crash crashed crashloopbackoff "
        "oom oomkilled oom_killed out_of_memory "
        "cancelled canceled aborted lost missing node_fail preempted evicted "
        "dnf dns sigkill sigterm sigsegv sigabrt",
    ),
    Entry("failed", "in a cell alone", "- -- --- ? x"),
)


def meanings_of(group: str) -> dict[str, str]:
    """Each word of a group and its meaning."""
    return {
        word: entry.meaning
        for entry in VOCABULARY
        if entry.group == group
        for word in entry.words.split()
    }


def words_of(group: str, meaning: str | None = None) -> frozenset[str]:
    """The words of a group; of one meaning, or of all."""
    return frozenset(
        word for word, of in meanings_of(group).items() if meaning is None or of == meaning
    )
