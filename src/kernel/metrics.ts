import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { ServerProbes } from "./server-probes.ts";

/** What has been counted since somebody read. */
export interface Tally {
  count: number;
}

/**
 * A counter for what happens with every audio frame. The metrics library looks its labels up on each count, which costs
 * more than the frame itself; this adds plain numbers and hands them over when somebody reads.
 */
class FrequentCounter {
  readonly #pending = new Map<string, Tally>();
  readonly #counter: Counter<"fate">;

  constructor(counter: Counter<"fate"> & { collect?: () => void }) {
    this.#counter = counter;
    counter.collect = () => {
      for (const [fate, tally] of this.#pending) {
        if (tally.count > 0) counter.inc({ fate }, tally.count);
        tally.count = 0;
      }
    };
  }

  inc({ fate }: { readonly fate: string }, by = 1): void {
    this.tally(fate).count += by;
  }

  /** For whoever counts one fate again and again: to be kept, and added to. */
  tally(fate: string): Tally {
    let tally = this.#pending.get(fate);
    if (tally === undefined) {
      tally = { count: 0 };
      this.#pending.set(fate, tally);
    }
    return tally;
  }

  get(): ReturnType<Counter<"fate">["get"]> {
    return this.#counter.get();
  }
}

/**
 * What the running server counts. One field a metric, so that a name is written once and a drop that is counted can be
 * found by its field. Served at `/metrics`; tests read `value()`.
 */
export class Metrics {
  readonly registry = new Registry();
  /** Times, loads and depths, for which nothing is counted here: they are read where they arise. */
  readonly probes = new ServerProbes(this.registry);

  readonly sessions = this.#gauge("browline_user_sessions", "User sessions alive");
  readonly sessionsResumed = this.#counter(
    "browline_sessions_resumed_total",
    "Sessions that a former process has left, by what became of them at the start",
    ["outcome"],
  );
  readonly glassesSockets = this.#gauge("browline_glasses_sockets", "Open glasses sockets");
  readonly appSockets = this.#gauge("browline_app_sockets", "Open app sockets");
  readonly upgradesRefused = this.#counter(
    "browline_upgrades_refused_total",
    "Sockets refused before their upgrade",
    ["side", "code"],
  );
  readonly httpRefused = this.#counter(
    "browline_http_refused_total",
    "HTTP requests refused for their size or their caller's rate",
    ["reason"],
  );
  readonly socketsClosed = this.#counter(
    "browline_sockets_closed_total",
    "Sockets that ended, by what ended them",
    ["side", "cause"],
  );
  readonly messagesIn = this.#counter("browline_messages_in_total", "Text messages received", ["side"]);
  readonly messagesOut = this.#counter("browline_messages_out_total", "Text messages sent", ["side"]);
  readonly messagesRejected = this.#counter(
    "browline_messages_rejected_total",
    "Text messages that were not acted on: malformed, unknown, invalid, oversized, stale or out of turn",
    ["side", "reason"],
  );
  readonly requestsRefused = this.#counter(
    "browline_app_requests_refused_total",
    "Requests of apps that were answered with a refusal, by request and reason",
    ["request", "code"],
  );
  readonly phrases = this.#counter("browline_phrases_total", "Texts to be spoken, by what became of them", [
    "outcome",
  ]);
  readonly photos = this.#counter("browline_photos_total", "Requests for photos, by what became of them", [
    "outcome",
  ]);
  readonly photoUploads = this.#counter(
    "browline_photo_uploads_total",
    "Uploads of photos to this server, by answer",
    ["answer"],
  );
  readonly messagesDropped = this.#counter(
    "browline_messages_dropped_total",
    "Messages that could not be delivered: the peer reads too slowly or is away",
    ["side", "class"],
  );
  readonly audioFrames = new FrequentCounter(
    this.#counter(
      "browline_audio_frames_total",
      "Audio frames received from glasses, each once, by what became of them at the door",
      ["fate"],
    ),
  );
  readonly audioFramesDecoded = this.#counter(
    "browline_audio_frames_decoded_total",
    "Audio frames decoded; a large one counts as several",
  );
  readonly audioLost = this.#counter("browline_audio_lost_total", "Audio lost inside the server, by cause", [
    "cause",
  ]);
  readonly transcripts = this.#counter("browline_transcripts_total", "Transcripts produced", ["kind"]);
  readonly speechEvents = this.#counter(
    "browline_speech_events_total",
    "Connections to speech providers opened, failed and rotated, fail-overs, and audio skipped (times, milliseconds)",
    ["what", "provider", "reason"],
  );
  readonly speechConnections = this.#gauge(
    "browline_speech_connections",
    "Connections to speech providers, and streams that wait for one",
    ["provider", "state"],
  );
  readonly speechUnserved = this.#gauge(
    "browline_speech_streams_unserved",
    "Streams of speech that no provider serves at the moment",
  );
  readonly speechLag = new Histogram({
    name: "browline_speech_lag_seconds",
    help: "Audio received minus audio recognised, of streams that owe words, looked at every second",
    buckets: [0.5, 1, 2, 4, 8, 16, 30],
    registers: [this.registry],
  });
  readonly speechGaps = this.#counter(
    "browline_speech_gaps_total",
    "Utterances whose end was lost, and was told as lost",
    ["cause"],
  );
  readonly voiceCommands = this.#counter(
    "browline_voice_commands_total",
    "Spoken commands for apps, and those not obeyed because they were in doubt",
    ["outcome"],
  );
  readonly displays = this.#counter("browline_displays_total", "Display requests by outcome", ["outcome"]);
  readonly webhooks = this.#counter("browline_webhooks_total", "Webhooks to apps by outcome", [
    "kind",
    "outcome",
  ]);
  readonly appServersDown = this.#gauge("browline_app_servers_down", "Servers of apps that do not answer");
  readonly appMessages = this.#counter(
    "browline_app_messages_total",
    "Messages, joins and leaves between the users of one app, by outcome",
    ["kind", "outcome"],
  );
  readonly appStarts = this.#counter("browline_app_starts_total", "App starts by outcome", ["outcome"]);
  readonly storeReads = this.#counter(
    "browline_store_reads_total",
    "Reads from the database that somebody waited for",
    ["what"],
  );
  readonly commits = this.#counter(
    "browline_journal_commits_total",
    "Commits of sessions and of events that must arrive",
    ["outcome"],
  );
  readonly commitMs = new Histogram({
    name: "browline_journal_commit_ms",
    help: "How long a commit took, as whoever waits for it sees it",
    buckets: [0.25, 0.5, 1, 2, 5, 10, 25, 50, 100, 250, 1_000, 5_000],
    registers: [this.registry],
  });
  readonly eventsUnkept = this.#counter(
    "browline_journal_events_unkept_total",
    "Events that were delivered without ever having been committed: the disk failed or was too slow",
  );
  readonly durabilityDegraded = this.#gauge(
    "browline_durability_degraded",
    "1 while events are delivered without being committed first",
  );
  readonly workerRestarts = this.#counter("browline_worker_restarts_total", "Workers replaced", [
    "kind",
    "cause",
  ]);
  readonly lanesQuarantined = this.#counter(
    "browline_lanes_quarantined_total",
    "Lanes that killed their worker repeatedly",
  );
  readonly loopStalls = this.#counter(
    "browline_loop_stalls_total",
    "Times that the main loop stood still for over a second",
  );
  readonly errors = this.#counter("browline_errors_total", "Errors contained inside the server", ["where"]);

  #counter<Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #gauge<Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Gauge<Label> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }
}
