import { Counter, Gauge, Registry } from "prom-client";

/**
 * A counter for what happens with every audio frame. The metrics library looks its labels up on each count, which costs
 * more than the frame itself; this adds plain numbers and hands them over when somebody reads.
 */
class FrequentCounter {
  readonly #pending = new Map<string, number>();
  readonly #counter: Counter<"fate">;

  constructor(counter: Counter<"fate"> & { collect?: () => void }) {
    this.#counter = counter;
    counter.collect = () => {
      for (const [fate, by] of this.#pending) counter.inc({ fate }, by);
      this.#pending.clear();
    };
  }

  inc({ fate }: { readonly fate: string }, by = 1): void {
    this.#pending.set(fate, (this.#pending.get(fate) ?? 0) + by);
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

  readonly sessions = this.#gauge("browline_user_sessions", "User sessions alive");
  readonly glassesSockets = this.#gauge("browline_glasses_sockets", "Open glasses sockets");
  readonly appSockets = this.#gauge("browline_app_sockets", "Open app sockets");
  readonly upgradesRefused = this.#counter(
    "browline_upgrades_refused_total",
    "Sockets refused before their upgrade",
    ["side", "code"],
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
  readonly messagesDropped = this.#counter(
    "browline_messages_dropped_total",
    "Messages that could not be delivered: the peer reads too slowly or is away",
    ["side", "class"],
  );
  readonly audioFrames = new FrequentCounter(
    this.#counter("browline_audio_frames_total", "Audio frames received from glasses", ["fate"]),
  );
  readonly audioLost = this.#counter("browline_audio_lost_total", "Audio lost inside the server, by cause", [
    "cause",
  ]);
  readonly transcripts = this.#counter("browline_transcripts_total", "Transcripts produced", ["kind"]);
  readonly displays = this.#counter("browline_displays_total", "Display requests by outcome", ["outcome"]);
  readonly webhooks = this.#counter("browline_webhooks_total", "Webhooks to apps by outcome", [
    "kind",
    "outcome",
  ]);
  readonly appStarts = this.#counter("browline_app_starts_total", "App starts by outcome", ["outcome"]);
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

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name, help, registers: [this.registry] });
  }
}
