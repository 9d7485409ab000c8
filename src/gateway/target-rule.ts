import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";

/**
 * Which addresses the server may call on behalf of apps. `public`: those of the open internet. `private`: loopback and
 * private networks as well, where self-hosters run their apps. `all`: anything.
 */
export type TargetPolicy = "public" | "private" | "all";

/** What kind of network a host lies in. `name`: a name that tells nothing before it is looked up. */
export type HostKind = "public" | "private" | "loopback" | "linkLocal" | "unusable" | "name";

/** Looks a host name up; all of its addresses. */
export type LookUp = (host: string) => Promise<readonly string[]>;

const networks: readonly (readonly [HostKind, BlockList])[] = [
  ["loopback", blockList(["127.0.0.0", 8, "ipv4"], ["::1", 128, "ipv6"])],
  [
    "linkLocal",
    // Where clouds hand out a machine's credentials; some of them use private or public space for it.
    blockList(
      ["169.254.0.0", 16, "ipv4"],
      ["192.0.0.192", 32, "ipv4"],
      ["100.100.100.200", 32, "ipv4"],
      ["168.63.129.16", 32, "ipv4"],
      ["fe80::", 10, "ipv6"],
      ["fd00:ec2::254", 128, "ipv6"],
      ["fd20:ce::254", 128, "ipv6"],
    ),
  ],
  [
    "private",
    blockList(
      ["10.0.0.0", 8, "ipv4"],
      ["172.16.0.0", 12, "ipv4"],
      ["192.168.0.0", 16, "ipv4"],
      ["100.64.0.0", 10, "ipv4"],
      ["198.18.0.0", 15, "ipv4"],
      ["fc00::", 7, "ipv6"],
      ["fec0::", 10, "ipv6"],
    ),
  ],
  [
    "unusable",
    blockList(
      ["0.0.0.0", 8, "ipv4"],
      ["192.0.0.0", 24, "ipv4"],
      ["224.0.0.0", 3, "ipv4"],
      ["::", 128, "ipv6"],
      ["ff00::", 8, "ipv6"],
      // IPv4 addresses in a wrapping that only a network's own gateway can open: NAT64 of local use, and Teredo.
      ["64:ff9b:1::", 48, "ipv6"],
      ["2001::", 32, "ipv6"],
    ),
  ],
];

type Subnet = readonly [network: string, bits: number, family: "ipv4" | "ipv6"];

function blockList(...subnets: Subnet[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) list.addSubnet(...subnet);
  return list;
}

/** The kind of a host as a parsed URL names it, in which every spelling of an IPv4 address has become the dotted one. */
export function hostKind(hostname: string): HostKind {
  const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const family = isIP(host);
  if (family === 0) return host === "localhost" || host.endsWith(".localhost") ? "loopback" : "name";
  const embedded = family === 6 ? embeddedIPv4(host) : undefined;
  if (embedded !== undefined) return hostKind(embedded);
  for (const [kind, list] of networks) {
    if (list.check(host, family === 6 ? "ipv6" : "ipv4")) return kind;
  }
  return "public";
}

/** Prefixes under which an IPv6 address is another way to write an IPv4 one: mapped, compatible, translated, NAT64 and 6to4. */
const embeddings: readonly (readonly [prefix: readonly number[], at: number])[] = [
  [[0, 0, 0, 0, 0, 0xffff], 6],
  [[0, 0, 0, 0, 0, 0], 6],
  [[0, 0, 0, 0, 0xffff, 0], 6],
  [[0x64, 0xff9b, 0, 0, 0, 0], 6],
  [[0x2002], 1],
];

function embeddedIPv4(host: string): string | undefined {
  const groups = ipv6Groups(host);
  for (const [prefix, at] of embeddings) {
    const [high = 0, low = 0] = groups.slice(at, at + 2);
    // The IPv6 forms of "nobody" and "myself" are no IPv4 addresses.
    if (prefix.every((group, i) => groups[i] === group) && (high !== 0 || low > 1)) {
      return [high >> 8, high & 255, low >> 8, low & 255].join(".");
    }
  }
  return undefined;
}

/** The eight groups of a valid IPv6 address. */
function ipv6Groups(host: string): number[] {
  // The URL parser writes an address in one form, without dotted or zone parts.
  const plain = new URL(`http://[${host.replace(/%.*$/, "")}]`).hostname.slice(1, -1);
  const [head = "", tail] = plain.split("::");
  const read = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const before = read(head);
  const after = read(tail ?? "");
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return [...before, ...zeros, ...after];
}

/** Whether glasses and phones that are somewhere else cannot reach this host, as far as its name shows. */
export function isLocalHost(hostname: string): boolean {
  const kind = hostKind(hostname);
  return kind === "loopback" || kind === "private" || (kind === "name" && !hostname.includes("."));
}

/**
 * Why a URL may not be called or given to glasses, as far as it shows without a look-up; undefined if it may.
 */
export function targetProblem(url: string, policy: TargetPolicy): string | undefined {
  if (!URL.canParse(url)) return "not a URL";
  const { protocol, hostname } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") return "neither http:// nor https://";
  return kindProblem(hostKind(hostname), policy);
}

/**
 * The same, with the host's name looked up: a public name may stand for a private address. What the name stands for may
 * still change before the call is made, so this keeps out mistakes and lazy attacks; a firewall has to do the rest.
 * A name that cannot be looked up, or not before the signal, is no problem here: the call itself will find nobody.
 */
export async function resolvedTargetProblem(
  url: string,
  policy: TargetPolicy,
  signal?: AbortSignal,
  lookUp: LookUp = systemLookUp,
): Promise<string | undefined> {
  const problem = targetProblem(url, policy);
  if (problem !== undefined || policy === "all") return problem;
  const { hostname } = new URL(url);
  if (hostKind(hostname) !== "name") return undefined;
  const addresses = await Promise.race([lookUp(hostname).catch(() => []), aborted(signal)]);
  for (const address of addresses) {
    const found = kindProblem(hostKind(address), policy);
    if (found !== undefined) return found;
  }
  return undefined;
}

function kindProblem(kind: HostKind, policy: TargetPolicy): string | undefined {
  if (policy === "all" || kind === "public" || kind === "name") return undefined;
  if (kind === "linkLocal") return "a link-local or metadata address";
  if (kind === "unusable") return "an address that names no host of its own";
  return policy === "private" ? undefined : "a private address, which this server is set to refuse";
}

/** Resolves with nothing when the signal comes; never without one. */
function aborted(signal: AbortSignal | undefined): Promise<readonly string[]> {
  const { promise, resolve } = Promise.withResolvers<readonly string[]>();
  if (signal?.aborted) resolve([]);
  signal?.addEventListener("abort", () => resolve([]), { once: true });
  return promise;
}

async function systemLookUp(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}
