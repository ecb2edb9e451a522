/** How long to wait before the next try: 0.5 s doubling to 15 s, full jitter. */

const FIRST_MS = 500;
const CAP_MS = 15_000;
export const RESTART_SPREAD_MS = 5_000;

/** `attempt` counts from 0; `random` is in [0, 1). */
export function backoffMs(attempt: number, random: number): number {
  return random * Math.min(CAP_MS, FIRST_MS * 2 ** attempt);
}
