/** A process with a liveness thread whose main loop stands still once. Its argument is the log level. */
import { startLiveness } from "../../src/gateway/liveness.ts";
import { SystemClock } from "../../src/kernel/clock.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";

const clock = new SystemClock((error) => {
  throw error;
});
const metrics = new Metrics();
const config = { ...loadConfig({}), host: "127.0.0.1", livezPort: 0 };
const log = createLog({ level: process.argv[2] ?? "info", format: "json" });
const liveness = await startLiveness({ config, clock, log, metrics });
for (const until = clock.now() + 2_000; clock.now() < until; );
while (((await metrics.loopStalls.get()).values[0]?.value ?? 0) === 0) {
  await new Promise((resolve) => setImmediate(resolve));
}
liveness.stop();
process.exit(0);
