/**
 * How a person types one of Browline's commands on this machine: with `bun`, or through npx where only that has brought
 * Bun along. `words` is the command with its arguments, such as `token me@example.com`.
 */
export function commandLine(words: string, execPath = process.execPath): string {
  const bun = execPath.includes("/_npx/") ? `npx -y bun@${Bun.version}` : "bun";
  return `${bun} run ${words}`;
}
