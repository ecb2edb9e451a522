/** An instant in IST: the clock, with the day before it when it was not today. */

import { instant, istClock, istDayOrNull, istFull, istPrecise } from "../format/time";

interface Props {
  at: string | null;
  now: number;
  /** Show milliseconds. */
  precise?: boolean;
}

export function IstTime({ at, now, precise = false }: Props) {
  const when = instant(at);
  if (when === null) return <span>–</span>;
  const day = istDayOrNull(when, now);
  const clock = precise ? istPrecise(when) : istClock(when);
  return (
    <time dateTime={at ?? undefined} title={istFull(when)}>
      {day ? `${day} ${clock}` : clock}
    </time>
  );
}
