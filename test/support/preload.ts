import { setDefaultTimeout } from "bun:test";

// Real threads, recognisers and apps on a busy machine: a hung test is to be stopped, a slow one is not.
setDefaultTimeout(60_000);
