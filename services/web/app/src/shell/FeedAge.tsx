/** How long ago the order feed was heard, and the time in India by the server's clock. */

import { Radio, WifiOff } from "lucide-react";
import { formatAge, istClock } from "../format/time";
import { useNow } from "../live/clock";
import { useStore } from "../live/store";
import { useFeed } from "./feedContext";
import styles from "./Shell.module.css";

export function FeedAge({ short }: { short: boolean }) {
  const { phase, heardAt, staleSince } = useStore(useFeed().status);
  const now = useNow();
  const fresh = phase === "live" && heardAt !== null && staleSince === null;
  const age = heardAt === null ? null : formatAge(now - heardAt);
  const word = fresh || phase === "connecting" ? (age ?? "…") : (age ?? "none");
  const Icon = fresh || phase === "connecting" ? Radio : WifiOff;
  return (
    <span
      className={styles.feed}
      data-fresh={fresh}
      title="How long ago the order feed was heard. It speaks at least every 10 s."
    >
      <Icon aria-hidden="true" />
      <span className={short ? "visually-hidden" : undefined}>Feed</span>
      <span className={styles.age}>{word}</span>
    </span>
  );
}

export function IstNow() {
  const { clockOffset } = useStore(useFeed().status);
  const now = useNow();
  return <span className={styles.clock}>{istClock(now + clockOffset)} IST</span>;
}
