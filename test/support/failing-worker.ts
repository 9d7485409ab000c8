/** A worker that dies as soon as it is told anything. */
declare const self: Worker;

self.onmessage = () => {
  throw new Error("cannot live");
};
