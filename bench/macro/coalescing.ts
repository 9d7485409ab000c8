/** How long packets may wait for this process to look at its sockets, ms. It is part of every latency measured here. */
const coalescedMs = 2;

let looking = false;

/**
 * From now on this process looks at its sockets now and then instead of being woken for every packet, as a network card that
 * coalesces interrupts has a machine do. Here the waking would be at the expense of the sender, the server under test:
 * on one machine it costs more than the sending.
 */
export function coalescePackets(): void {
  if (looking) return;
  looking = true;
  const look = () => {
    if (!looking) return;
    // Asleep in here the process is woken by nobody's packet.
    Bun.sleepSync(coalescedMs);
    setImmediate(look);
  };
  look();
}

/** Takes that back, so that a process with nothing to do rests. */
export function wakeForPackets(): void {
  looking = false;
}
