import type { Scenario } from "./scenario.ts";
import { capacity } from "./scenarios/capacity.ts";
import { flood } from "./scenarios/flood.ts";
import { ingest } from "./scenarios/ingest.ts";
import { isolation } from "./scenarios/isolation.ts";
import { sessionLives } from "./scenarios/lives.ts";
import { memory } from "./scenarios/memory.ts";
import { microScenarios } from "./scenarios/micro.ts";
import { relay } from "./scenarios/relay.ts";
import { slowPeers } from "./scenarios/slow-peers.ts";
import { soak } from "./scenarios/soak.ts";
import { speech } from "./scenarios/speech.ts";
import { halfLoad, manyDecoders, manyStreams } from "./scenarios/stretch.ts";

/** Everything that the bench can measure, in the order in which it does. */
export const scenarios: readonly Scenario[] = [
  ...microScenarios,
  ingest,
  flood,
  relay,
  speech,
  capacity,
  isolation,
  slowPeers,
  manyStreams,
  manyDecoders,
  halfLoad,
  memory,
  sessionLives,
  soak,
];
