/** The server with its replay turned off: what an app has not confirmed is forgotten with its socket. */
import { Outbox } from "../../../src/session/outbox.ts";

Outbox.prototype.rewind = function forget(this: Outbox) {
  this.clear();
};
