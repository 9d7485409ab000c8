import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { Deepgram } from "../../../workers/stt/cloud/deepgram.ts";
import { DeepgramSimulator } from "../../support/deepgram-simulator.ts";
import { RecognisedResults } from "../../support/recognised-results.ts";
import { RecogniserThread } from "../../support/recogniser-thread.ts";
import { RecordedConnection } from "../../support/recorded-connection.ts";
import { goForward } from "../../support/speech-fixtures.ts";

setDefaultTimeout(60_000);

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

test("real speech becomes words over a connection to a service that really recognises", async () => {
  const thread = new RecogniserThread();
  cleanUps.push(() => thread.stop());
  const service = new DeepgramSimulator({ listen: (tell) => new RecognisedResults(thread, tell) });
  cleanUps.push(() => service.close());
  const vendor = new Deepgram({ credential: { kind: "none" }, baseUrl: service.url, model: "nova-3" });
  const { pcm, text } = goForward();

  const one = await new RecordedConnection(vendor).open();
  one.write(new Int16Array(8_000), 0);
  one.write(pcm, 8_000);
  one.write(new Int16Array(16_000), 8_000 + pcm.length);
  const [final] = await one.untilFinals(1);
  expect(final?.text).toBe(text);
  expect(one.interims.length).toBeGreaterThan(0);
  await one.untilSettled(8_000 + pcm.length);

  const other = await new RecordedConnection(vendor).open();
  other.write(pcm, 0);
  other.connection.close(30_000);
  expect(await other.end()).toBeUndefined();
  expect(other.finals.map((heard) => heard.text)).toEqual([text]);
});
