/** The header: modes, navigation, the feed's age, the clock, and what concerns the person. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Bell, CircleUser, Moon, Sun } from "lucide-react";
import { noticesQuery } from "../api/queries";
import type { Person } from "../api/types";
import { Button } from "../components/Button";
import { ModeChip } from "../components/ModeChip";
import { useStore } from "../live/store";
import { theme, toggleTheme } from "../live/theme";
import { FeedAge, IstNow } from "./FeedAge";
import type { PanelName } from "./Shell";
import styles from "./Shell.module.css";
import type { Modes } from "./useModes";

interface Props {
  me: Person;
  modes: Modes;
  isPhone: boolean;
  onPanel: (panel: PanelName) => void;
}

export function Header({ me, modes, isPhone, onPanel }: Props) {
  return (
    <header className={styles.header}>
      <Link to="/orders" className={styles.brand}>
        Lockstep
      </Link>
      <span className={styles.modes}>
        {modes.live > 0 && (
          <ModeChip mode="LIVE" count={modes.live} title="Live accounts in sight" />
        )}
        {(modes.paper > 0 || modes.live === 0) && (
          <ModeChip mode="PAPER" count={modes.paper} title="Paper accounts in sight" />
        )}
      </span>
      {!isPhone && (
        <nav className={styles.nav} aria-label="Pages">
          <Link to="/orders" className={styles.page}>
            Orders
          </Link>
        </nav>
      )}
      <span className={styles.right}>
        <FeedAge short={isPhone} />
        {!isPhone && (
          <>
            <IstNow />
            <Bells onClick={() => onPanel("notices")} />
            <ThemeSwitch />
            <Button look="bare" onClick={() => onPanel("account")}>
              <CircleUser aria-hidden="true" />
              <span className={styles.person}>{me.display_name}</span>
            </Button>
          </>
        )}
      </span>
    </header>
  );
}

function Bells({ onClick }: { onClick: () => void }) {
  const unread = useUnread();
  return (
    <Button look="bare" onClick={onClick} aria-label={bellLabel(unread)} className={styles.bell}>
      <Bell aria-hidden="true" />
      {unread > 0 && <span className={styles.unread}>{badge(unread)}</span>}
    </Button>
  );
}

export function ThemeSwitch({ withWord = false }: { withWord?: boolean }) {
  const dark = useStore(theme) === "dark";
  const label = dark ? "Light theme" : "Dark theme";
  const Icon = dark ? Sun : Moon;
  return (
    <Button
      look={withWord ? "outline" : "bare"}
      onClick={toggleTheme}
      aria-label={withWord ? undefined : label}
    >
      <Icon aria-hidden="true" />
      {withWord && label}
    </Button>
  );
}

export function useUnread(): number {
  return useQuery(noticesQuery).data?.unread ?? 0;
}

function bellLabel(unread: number): string {
  return unread === 0 ? "Notifications" : `Notifications, ${unread} unread`;
}

export function badge(unread: number): string {
  return unread > 99 ? "99+" : String(unread);
}
