/** PAPER or LIVE, by word, shape and colour; nothing else in the product is magenta. */

import type { Environment } from "../api/types";
import styles from "./ModeChip.module.css";

interface Props {
  mode: Environment;
  count?: number;
  title?: string;
}

export function ModeChip({ mode, count, title }: Props) {
  return (
    <span className={mode === "LIVE" ? styles.live : styles.paper} title={title}>
      {mode === "LIVE" && <span className={styles.dot} aria-hidden="true" />}
      {count === undefined ? mode : `${count} ${mode}`}
    </span>
  );
}
