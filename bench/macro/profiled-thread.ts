/** Loaded into every worker of a server under test before the worker's own code: profiles the thread when told to. */
import { join } from "node:path";
import { type ProfileDone, type ProfileOrder, profileChannel, profileThisThread } from "./thread-profiles.ts";

const name = (Bun.main.split("/").at(-1) ?? "worker").replace(".ts", "");
const channel = new BroadcastChannel(profileChannel);
channel.onmessage = (event) => {
  const data: ProfileOrder | ProfileDone = event.data;
  if (!("folder" in data)) return;
  void profileThisThread(join(data.folder, `${name}-${Bun.nanoseconds() % 1_000}.cpuprofile`), data.ms).then(
    (file) => channel.postMessage({ file } satisfies ProfileDone),
  );
};
// A thread must be able to end though somebody could still order a profile.
channel.unref();
