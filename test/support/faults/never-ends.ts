/** The server with a drain that hangs. */
import { SessionStorage } from "../../../src/session/session-storage.ts";

SessionStorage.prototype.finishSpeech = () => new Promise(() => {});
