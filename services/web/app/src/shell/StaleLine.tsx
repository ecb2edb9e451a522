/** Says from when the data is, and that orders keep working, while the feed is not current. */

import { ClockAlert } from "lucide-react";
import { Button } from "../components/Button";
import { istClock } from "../format/time";
import { useNow } from "../live/clock";
import { useStore } from "../live/store";
import { useFeed } from "./feedContext";
import styles from "./StaleLine.module.css";

/** A line that comes back at once is not worth a word. */
const PATIENCE_MS = 2_000;

export function StaleLine() {
  const feed = useFeed();
  const { phase, staleSince, retryAt } = useStore(feed.status);
  const now = useNow();
  if (phase === "ended" || staleSince === null || now - staleSince < PATIENCE_MS) return null;
  const seconds = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1000);
  return (
    <div className={styles.line} role="status">
      <ClockAlert aria-hidden="true" />
      <p>
        Order feed silent since {istClock(staleSince)} IST. Orders keep working; what you see is
        from then.
      </p>
      {phase === "down" && (
        <Button look="bare" onClick={feed.retryNow}>
          {seconds > 0 ? `Reconnect now (${seconds} s)` : "Reconnecting…"}
        </Button>
      )}
    </div>
  );
}
