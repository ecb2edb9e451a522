/** Tells a screen reader of new rows, politely and at most once in five seconds. */

import { useEffect, useRef, useState } from "react";

const QUIET_MS = 5_000;

/** `total` is null until the first snapshot is in. */
export function Announcer({ total }: { total: number | null }) {
  const [said, setSaid] = useState("");
  const told = useRef(total);
  const spokeAt = useRef(0);

  useEffect(() => {
    if (total === null) return;
    told.current ??= total;
    if (total === told.current) return;
    const wait = Math.max(0, spokeAt.current + QUIET_MS - Date.now());
    const timer = setTimeout(() => {
      const fresh = total - (told.current ?? total);
      told.current = total;
      spokeAt.current = Date.now();
      if (fresh > 0) setSaid(fresh === 1 ? "1 new order" : `${fresh} new orders`);
    }, wait);
    return () => clearTimeout(timer);
  }, [total]);

  return (
    <div aria-live="polite" className="visually-hidden">
      {said}
    </div>
  );
}
