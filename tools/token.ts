import { mintCoreToken } from "../src/gateway/core-token.ts";
import { loadSecrets } from "../src/gateway/secrets.ts";
import { loadConfig } from "../src/kernel/config.ts";
import { CommandFailure, runCommand } from "./command.ts";

const usage = `usage: bun run token EMAIL
  Prints a core token: what a phone, or glasses, of that user sign in with.`;

/** `bun run token EMAIL`: prints a core token for a user, with which glasses and phones sign in. */
await runCommand(usage, async () => {
  const [email = "", ...rest] = process.argv.slice(2);
  if (email === "" || rest.length > 0) throw new CommandFailure(usage);
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) throw new CommandFailure(`${email} is not an e-mail address`);
  const config = loadConfig(process.env);
  const { tokenSecret } = loadSecrets(config.dataDir, config);
  console.log(await mintCoreToken(tokenSecret, email));
});
