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
  /** Text messages of one socket, other than pings: this many at once, and this many a second. */
  messageBurst: 1_000,
  messagesPerSecond: 200,
  /** A text frame of an app over this is dropped and counted, unless it is a display, which may carry a bitmap. */
  appFrameBytes: 64 * 1024,
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
  /** A socket whose peer is known to answer pings, and on which nothing comes for this long after one, is taken for dead. */
  probeAnswerMs: 2_000,
  /** What a drain gives sockets to take their last frames. */
  drainMs: 500,
  /** What a drain gives apps to confirm what they were sent last. */
  drainReceiptMs: 100,
  /** A drain closes sockets in groups of this many or of a tenth of them, whichever is more, so far apart. */
  drainGroup: 50,
  drainGroupMs: 100,
  /** How long a server that is to take over waits for the one before it. */
  handoverMs: 5 * 60_000,

  // HTTP
  /** The most that any request may carry: a picture in its form. Every endpoint reads only as much as it needs. */
  httpBodyBytes: 11 * 1024 * 1024,
  /** A JSON body, where an endpoint does not say otherwise. */
  jsonBodyBytes: 256 * 1024,
  /** From then on no more of a JSON body is read. */
  bodyMs: 30_000,
  /** The same for any body of a sender that has not yet said who it is. */
  anonymousBodyMs: 5_000,
  userRequestsPerMinute: 600,
  /** By key, for all users of the app together. */
  appRequestsPerMinute: 1_200,
  /** By address, for what needs no credentials. Behind a reverse proxy all callers have the proxy's address. */
  peerRequestsPerMinute: 3_000,
  /** Users, apps and addresses whose rates are remembered. */
  rateKeys: 10_000,
  /** How long a token for an app's web page may be redeemed. */
  webviewTokenMs: 60_000,
  webviewTokens: 10_000,

  // Simple storage
  /** Of one user and one app. */
  storageRequestsPerMinute: 100,
  storageValueChars: 100_000,
  storageKeyChars: 1_024,
  /** Keys and values of one user and one app together. */
  storageBytes: 1024 * 1024,
  /** Of one app for all of its users. */
  storageAppBytes: 256 * 1024 * 1024,
  /** A batch as JSON, whose escapes take room as well. */
  storageBodyBytes: 2 * 1024 * 1024,

  // Settings
  /** Of one user's phone. */
  phoneSettings: 500,
  settingKeyChars: 256,
  /** One value as JSON. */
  settingBytes: 16 * 1024,

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
  /** A start that takes longer than this is reported, though it goes on. */
  appStartSlowMs: 5_000,
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
  /** Changes to what an app hears that are kept for operators. */
  subscriptionHistory: 50,
  /** An empty list this soon after a connect is held back: the SDK sends one before its handlers exist. */
  emptySubscriptionMs: 8_000,
  /** How long the former list stays in force after such an empty one. */
  provisionalMs: 2_000,
  outboxEvents: 512,
  outboxBytes: 1024 * 1024,
  /** How long after the first event that must arrive an app is asked, by a numbered ping, how far it has got. */
  receiptMs: 250,
  /** On a socket whose peer has never answered a ping, what was sent so long ago counts as arrived. */
  receiptPatienceMs: 30_000,
  /** Of what waited for an app, so much goes to its new socket in one turn of the main loop. */
  replayPieceBytes: 64 * 1024,
  /** Sleeping apps are woken one after the other; one that does not come holds the next one up for no longer than this. */
  appWakeMs: 1_000,
  /** An app that could not be brought back is tried again after this long, ten times, then every `parkedRarelyMs`. */
  parkedMs: 60_000,
  parkedTries: 10,
  parkedRarelyMs: 60 * 60_000,

  // Servers of apps that are down, each for all users together
  /** The health of one is looked at this often at first: long enough for a deployment to be over. */
  probeOftenMs: 2_000,
  /** Twice the 2 min of an ordinary deployment: even after one of 200 s the apps are to be back within 3 s. */
  probeOftenForMs: 4 * 60_000,
  /** Then this often. */
  probeSometimesMs: 60_000,
  probeSometimesForMs: 10 * 60_000,
  /** Then this often. */
  probeRarelyMs: 60 * 60_000,
  /** Webhooks that are under way to one server without a user having asked for them. */
  circuitCalls: 16,
  /** Over how long the webhooks to a server that is back are spread. */
  circuitJitterMs: 500,
  /** A user's wish to start an app of a server that is down is worth one webhook in this time. */
  circuitWishMs: 1_000,
  /** Servers of which something is remembered, beyond which what is idle is forgotten. */
  circuits: 10_000,

  // Messages between the users of one app
  appMessageBytes: 16 * 1024,
  /** Messages, joins and leaves of one app of one user: this many at once, and this many a second. */
  appMessageBurst: 60,
  appMessagesPerSecond: 20,
  /** A message to many users is handed out in pieces of this many. */
  appMessageBatch: 50,
  /** Messages waiting to be handed out, of one app; one more is refused. */
  appMessageQueue: 1_000,
  roomsPerPackage: 1_000,
  /** Rooms that one app of one user is in. */
  roomsPerUser: 32,
  usersPerRoom: 100,
  roomMetadataBytes: 4 * 1024,

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

  // Sounds and lights
  /** A sound that the phone has not reported on: just under the 60 s after which the SDK gives up without a reason. */
  playMs: 59_000,
  /** What a phone may take to report on a sound that it was told to stop. */
  playEndingMs: 2_000,
  /** A request that a phone has left unanswered is sent again on its return if this much of its time is left. */
  resendLeastMs: 10_000,
  /** Sounds of one app that the phone has not reported on. */
  playsPerApp: 16,
  /** Orders to the glasses' light whose outcome is awaited, of all apps of a session. */
  ledOrders: 64,
  ledAnswerMs: 60_000,

  // Photos
  /** From an app's request to the word that no picture will come: under the 30 s after which the SDK gives up unexplained. */
  photoMs: 25_000,
  /** How long the camera counts as busy with a picture of which nothing is heard. */
  photoCameraMs: 8_000,
  photosPerApp: 4,
  photosPerSession: 8,
  /** Errors about photos that are on their way to apps, of one session; one more is dropped and counted. */
  photoErrors: 16,
  photoBytes: 10 * 1024 * 1024,
  /** Pictures that this server takes in at one time, and as many that it hands on; one more is refused. */
  photoUploads: 32,
  /** All tries to hand a picture to its app. */
  photoDeliveryMs: 10_000,
  /** All tries to tell an app that no picture will come. */
  photoErrorMs: 5_000,

  // Speech synthesis
  ttsTextChars: 1_000,
  /** Texts that wait to be spoken; one more is refused. */
  ttsQueue: 16,
  /** A text whose speaking takes longer than this is given up. */
  ttsMs: 20_000,
  /** Three minutes: most of what is that long is digits. */
  ttsSpeechBytes: 180 * 32_000,
  /** Recent phrases that are kept, since phones fetch one sound in several requests. */
  ttsCacheBytes: 8 * 1024 * 1024,

  // Glasses, location, calendar, dashboard
  /** A question of an app for the location is given up after this long, as the SDK does. */
  locationPollMs: 15_000,
  locationPollsPerApp: 8,
  calendarEvents: 100,
  /** Text of one app, or of one corner, on the dashboard, in characters. */
  dashboardText: 512,
  /** Looking up again this soon is the same look. */
  dashboardLookMs: 300,
  dashboardTickMs: 60_000,

  // Microphone
  microphoneBatchMs: 100,
  microphoneDebounceMs: 1_000,
  microphoneHoldMs: 3_000,
  microphoneKeepAliveMs: 10_000,
  unauthorisedAudioMs: 3_000,
  unauthorisedPauseMs: 5_000,

  // Audio
  /** Twice the largest frame of glasses, so that one always fits, with its headers, into a ring that has been emptied. */
  ringBytes: 128 * 1024,
  /** What one such frame of PCM makes of batches has to fit as well. */
  pcmRingBytes: 128 * 1024,
  recentAudioMs: 10_000,
  /** What is kept of a session's audio though all of it has been recognised: 320 KB, while somebody listens. */
  recentKeptMs: 10_000,
  /**
   * The same where cloud providers recognise: what can be played again after they fail, and the longest that speech may be
   * behind. Takes up to 960 KB a session, while speech is behind.
   */
  cloudRecentAudioMs: 30_000,
  /** A lane that nobody has listened to for this long lends its recent audio to others. */
  recentIdleMs: 30_000,
  /** Audio that has waited in its ring for longer than this is left out, so that the session gets back to live. */
  audioLagMs: 5_000,
  pcmBatchMs: 20,
  /** Frames of PCM passed on to apps as they came: a minute's at once, and eight times what is usual in the long run. */
  passedOnFrames: 3_000,
  passedOnFramesPerSecond: 400,
  /**
   * How far the threads that decode and recognise stand behind the main loop where cores are scarce; 19 is the most. At 5 one
   * such thread that wants a core for itself leaves three quarters of it to the main loop. The higher, the longer the
   * scheduler leaves it waiting beside a busy core: with 1,000 streams on two cores speech was lost in most rounds from 7 on.
   */
  workerNice: 5,
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
  transcriptHistoryMs: 30 * 60_000,
  transcriptPruneMs: 5 * 60_000,
  /** Segments of the history, for each language. */
  transcriptSegments: 2_000,
  /** Languages of the history: phones may name any. */
  transcriptLanguages: 16,
  /** A longer one that a phone has recognised is dropped and counted. */
  transcriptChars: 4_096,
  /** A spoken command counts only if the recogniser is at least this sure of it. */
  voiceCommandPercent: 50,

  // Journal: what is kept in case this process ends without warning
  /** Under load, commits are no closer together than this. */
  commitGroupMs: 10,
  /** A commit that takes longer than this is not waited for any more. */
  commitPatienceMs: 250,
  /** How soon a commit is tried again that has failed. */
  commitRetryMs: 1_000,
  /** A session that changes all the time is kept this often. */
  snapshotEveryMs: 100,
  /** For so long at a stretch sessions are read that are to be kept; the others have their turn with the next commit. */
  snapshotsMs: 2,
  /** Events that wait to be committed; the oldest beyond are delivered without having been kept, and counted. */
  journalBytes: 16 * 1024 * 1024,
  /** How often the process notes that it lives: as much of a grace may be given twice after it was killed. */
  aliveMs: 1_000,

  // Server
  /** The main loop counts as stalled after standing still for this long. */
  stallMs: 1_000,
  /** Writes that may wait for the store; one more is refused and counted. */
  storePending: 10_000,
} as const;

export type Limits = { readonly [Name in keyof typeof limits]: number };
