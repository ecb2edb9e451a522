/** Time as India's markets read it, whatever the machine's zone; ages and their units. */

const ZONE = "Asia/Kolkata";
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, timeStyle: "medium" });
const precise = new Intl.DateTimeFormat("en-GB", {
  timeZone: ZONE,
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});
const dayKey = new Intl.DateTimeFormat("en-CA", { timeZone: ZONE, dateStyle: "short" });
const shortDay = new Intl.DateTimeFormat("en-GB", {
  timeZone: ZONE,
  day: "numeric",
  month: "short",
});
const fullDay = new Intl.DateTimeFormat("en-GB", {
  timeZone: ZONE,
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
});

/** 14:17:41 */
export function istClock(at: number): string {
  return clock.format(at);
}

/** 14:17:41.203 */
export function istPrecise(at: number): string {
  return precise.format(at);
}

/** Tue, 24 Nov 2026, 14:17:41.203 IST: what a tooltip says. */
export function istFull(at: number): string {
  return `${fullDay.format(at)}, ${istPrecise(at)} IST`;
}

/** The clock for today, the day for anything older. */
export function istDayOrNull(at: number, now: number): string | null {
  return dayKey.format(at) === dayKey.format(now) ? null : shortDay.format(at);
}

/** Reads an instant of the API; null when there is none or it is not one. */
export function instant(text: string | null | undefined): number | null {
  if (!text) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at;
}

/** 0.2 s, 3 s, 4 min, 2 h, 3 d */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 1) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** +3 ms, +1.24 s, +2 min: the way between two stamps of a timeline. */
export function formatGap(milliseconds: number): string {
  if (milliseconds < 1000) return `+${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `+${(milliseconds / 1000).toFixed(2)} s`;
  return `+${formatAge(milliseconds)}`;
}
