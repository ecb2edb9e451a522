/** The row's link: opens the order, and covers the whole row. */

import { Link } from "@tanstack/react-router";
import type { Order } from "../../api/types";
import { instrumentLabel } from "../../format/instrument";
import styles from "./OrderTable.module.css";

interface Props {
  order: Order;
  /** Whether Tab stops here: in a table it does at one row, the keys go on from there. */
  reachable?: boolean;
}

export function InstrumentLink({ order, reachable = true }: Props) {
  const { name, exchange, expiry } = instrumentLabel(order.instrument);
  return (
    <Link
      from="/orders"
      to="/orders"
      search={(search) => ({ ...search, order: order.order_id })}
      className={styles.link}
      preload={false}
      tabIndex={reachable ? 0 : -1}
      replace
    >
      {name}
      {expiry && <span className={styles.expiry}> {expiry}</span>}
      <span className={styles.exchange}> {exchange}</span>
      {order.action === "EXIT" && <span className={styles.exit}>Exit</span>}
    </Link>
  );
}
