/** The thread of `posting-server.ts`: counts what it is sent. */
declare const self: Worker;

let frames = 0;
self.onmessage = () => {
  frames++;
  // Read by nobody, but not to be left out by a clever compiler.
  if (frames < 0) self.postMessage(frames);
};
