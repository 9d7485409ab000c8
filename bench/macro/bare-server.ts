/** The least that a server can do: a bare `Bun.serve` that counts the frames it gets. */
import { serveBare } from "./bare-serving.ts";

serveBare();
