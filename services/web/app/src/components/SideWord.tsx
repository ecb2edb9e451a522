/** BUY or SELL, in the sides' own colours, which are not those of profit and loss. */

import type { Side } from "../api/types";
import styles from "./SideWord.module.css";

export function SideWord({ side }: { side: Side }) {
  return <span className={side === "BUY" ? styles.buy : styles.sell}>{side}</span>;
}
