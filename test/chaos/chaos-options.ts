/** What a chaos run is to be. */
export interface ChaosOptions {
  readonly seed: number;
  /** Real time from the first fault to the last. */
  readonly minutes: number;
  readonly users: number;
  /** How many times as fast as in life the timers of server, apps and phones run. */
  readonly speed: number;
  /** Users whose app is the real SDK. */
  readonly sdkUsers: number;
  /** Whether the server's process is killed and drained, and its threads die. */
  readonly kills: boolean;
  /** Negative control: with every kill, the server's sessions and events are erased from its disk. */
  readonly forgets: boolean;
  /** Whether the run is over with the first promise that is broken. */
  readonly stopsEarly: boolean;
  /** Shows the server's log. */
  readonly log: boolean;
}
