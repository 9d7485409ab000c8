/**
 * Every limit and every timer of the server in one table. Sizes in bytes, times in milliseconds unless the name says
 * otherwise. What an operator may change is a setting in `config.ts` that overrides an entry here.
 */
export const limits = {
  // Sockets
  /** Bun serves both sockets with one maximum: bitmap animations of apps need 16 MiB. */
  messageBytes: 16 * 1024 * 1024,
  /** A glasses frame, text or binary, over this is dropped and counted. */
  glassesFrameBytes: 64 * 1024,
  /** All that an app socket may send before its init is accepted. */
  appPreInitBytes: 64 * 1024,
  /** An app socket that has not sent a valid init by then is closed. */
  appInitMs: 10_000,
  /** What may wait in one socket's send queue. */
  socketQueueBytes: 1024 * 1024,
  /** A socket whose queue has not drained for this long is closed with 1013. */
  socketBlockedMs: 10_000,
  heartbeatMs: 10_000,
  /** A glasses socket that used to answer pings and has been silent for this long is dead. */
  silenceMs: 30_000,
  /** Any glasses socket that has been silent for this long is dead. */
  longSilenceMs: 15 * 60_000,
  /** What a drain gives sockets to take their last frames. */
  drainMs: 500,

  // HTTP
  httpBodyBytes: 1024 * 1024,

  // User sessions
  sessionGraceMs: 30_000,
  /** How long the end of a session waits for the last words from the recogniser. */
  finalWordsMs: 1_000,
  maxSessions: 1_000,

  // Apps
  appGraceMs: 20_000,
  /** After the loss of an app's socket, the first webhook: by then the SDK's own two dials have passed. */
  appNudgeMs: 3_500,
  appStartMs: 20_000,
  /** An app that connects after its start has timed out is still welcome for this long. */
  appLateJoinMs: 60_000,
  webhookMs: 30_000,
  stopWebhookMs: 3_000,
  probeMs: 2_000,
  /** What is read of an app server's answer. */
  webhookAnswerBytes: 16 * 1024,
  /** How long a returning app may take to come back before the server gives it up. */
  resurrectionMs: 5 * 60_000,
  subscriptionsPerApp: 64,
  /** An empty list this soon after a connect is held back: the SDK sends one before its handlers exist. */
  emptySubscriptionMs: 8_000,
  /** How long the former list stays in force after such an empty one. */
  provisionalMs: 2_000,
  outboxEvents: 512,
  outboxBytes: 1024 * 1024,

  // Display
  displayIntervalMs: 250,
  /** Even a display that jumps the queue keeps this distance to the one before it. */
  displayFloorMs: 200,
  displayBytes: 32 * 1024,
  bitmapBytes: 1024 * 1024,
  /** All frames of one bitmap animation together. */
  animationBytes: 8 * 1024 * 1024,
  bootCardMs: 1_500,
  backgroundLockMs: 10_000,
  backgroundIdleMs: 2_000,

  // Microphone
  microphoneBatchMs: 100,
  microphoneDebounceMs: 1_000,
  microphoneHoldMs: 3_000,
  microphoneKeepAliveMs: 10_000,
  unauthorisedAudioMs: 3_000,
  unauthorisedPauseMs: 5_000,

  // Audio
  ringBytes: 64 * 1024,
  pcmRingBytes: 32 * 1024,
  recentAudioMs: 10_000,
  /** A lane that nobody has listened to for this long lends its recent audio to others. */
  recentIdleMs: 30_000,
  /** Audio that has waited in its ring for longer than this is left out, so that the session gets back to live. */
  audioLagMs: 5_000,
  pcmBatchMs: 20,
  /** A worker whose heartbeat word has stood still for this long is replaced. */
  workerSilenceMs: 2_000,
  /** A lane in whose work this many workers died within `quarantineWindowMs` is cut off. */
  quarantineDeaths: 3,
  quarantineWindowMs: 60_000,

  // Speech
  prerollMs: 500,
  interimMs: 200,
  utteranceMs: 20_000,
  /** Utterances that may wait for a free decoder; one more is refused and counted. */
  utteranceQueue: 16,
  languagesPerSession: 4,

  // Server
  /** The main loop counts as stalled after standing still for this long. */
  stallMs: 1_000,
  /** Writes that may wait for the store; one more is refused and counted. */
  storePending: 10_000,
} as const;

export type Limits = { readonly [Name in keyof typeof limits]: number };
