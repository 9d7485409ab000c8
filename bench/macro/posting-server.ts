/** A bare `Bun.serve` that sends every frame to a thread in a message of its own, as one would at first. */
import { serveBare } from "./bare-serving.ts";

const worker = new Worker(new URL("./posting-worker.ts", import.meta.url));
serveBare(
  (frame) => worker.postMessage(frame),
  () => worker.terminate(),
);
