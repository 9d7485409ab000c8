import { Session } from "node:inspector";
import { join } from "node:path";

/** The channel on which every thread of a process hears that it is to profile itself. */
export const profileChannel = "browline bench profiles";

export interface ProfileOrder {
  readonly folder: string;
  readonly ms: number;
}

/** Told by a thread when its profile is written. */
export interface ProfileDone {
  readonly file: string;
}

const sampleUs = 500;
/** What writing the profiles may take. */
const writeMs = 10_000;

/** Lets every worker that this process starts from now on hear of orders to profile itself. */
export function prepareProfiles(): void {
  const RealWorker = globalThis.Worker;
  const preload = new URL("./profiled-thread.ts", import.meta.url).pathname;
  function make(url: URL | string, options?: WorkerOptions): Worker {
    return new RealWorker(url, { ...options, preload: [preload] });
  }
  // What is called with `new` and returns an object gives that object.
  globalThis.Worker = make as unknown as typeof Worker;
}

/** Profiles all threads of this process that were prepared. Resolves with the files written. */
export async function profileAllThreads(folder: string, ms: number): Promise<string[]> {
  const channel = new BroadcastChannel(profileChannel);
  const files: string[] = [];
  channel.onmessage = (event) => {
    const data: ProfileOrder | ProfileDone = event.data;
    if ("file" in data) files.push(data.file);
  };
  channel.postMessage({ folder, ms } satisfies ProfileOrder);
  files.push(await profileThisThread(join(folder, "main.cpuprofile"), ms));
  // A thread that sleeps in native code, as a recogniser's may, is not waited for.
  for (const until = performance.now() + writeMs; files.length < 2 && performance.now() < until; ) {
    await Bun.sleep(50);
  }
  await Bun.sleep(500);
  channel.close();
  return files.sort();
}

/** Writes what this thread does in the next `ms` milliseconds. Resolves with the file. */
export async function profileThisThread(file: string, ms: number): Promise<string> {
  const session = new Session();
  session.connect();
  const order = (method: string, params: object = {}) =>
    new Promise<{ profile?: object }>((resolve, reject) => {
      session.post(method, params, (error, result) => {
        if (error) reject(error);
        else resolve((result ?? {}) as { profile?: object });
      });
    });
  await order("Profiler.enable");
  await order("Profiler.setSamplingInterval", { interval: sampleUs });
  await order("Profiler.start");
  await Bun.sleep(ms);
  const { profile } = await order("Profiler.stop");
  session.disconnect();
  await Bun.write(file, JSON.stringify(profile));
  return file;
}
