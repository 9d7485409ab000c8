import { SystemClock } from "../../src/kernel/clock.ts";

declare const self: Worker;

const clock = new SystemClock(() => {});
self.onmessage = () => self.postMessage(clock.now());
