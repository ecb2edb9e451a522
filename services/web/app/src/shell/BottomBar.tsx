/** The phone's bar: pages, notifications and account in reach of one thumb. */

import { Link } from "@tanstack/react-router";
import { Bell, CircleUser, ListOrdered } from "lucide-react";
import { badge, useUnread } from "./Header";
import type { PanelName } from "./Shell";
import styles from "./Shell.module.css";

export function BottomBar({ onPanel }: { onPanel: (panel: PanelName) => void }) {
  const unread = useUnread();
  return (
    <nav className={styles.bar} aria-label="Pages">
      <Link to="/orders" className={styles.tab}>
        <ListOrdered aria-hidden="true" />
        Orders
      </Link>
      <button type="button" className={styles.tab} onClick={() => onPanel("notices")}>
        <span className={styles.bell} aria-hidden="true">
          <Bell />
          {unread > 0 && <span className={styles.unread}>{badge(unread)}</span>}
        </span>
        Notifications
        {unread > 0 && <span className="visually-hidden">, {unread} unread</span>}
      </button>
      <button type="button" className={styles.tab} onClick={() => onPanel("account")}>
        <CircleUser aria-hidden="true" />
        Account
      </button>
    </nav>
  );
}
