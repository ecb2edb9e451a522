/** A state as icon and word; only exceptions carry a tint. */

import {
  Check,
  CircleCheckBig,
  CircleDashed,
  CircleDot,
  CircleOff,
  CircleQuestionMark,
  CircleSlash,
  Clock,
  Contrast,
  Hand,
  type LucideIcon,
  Minus,
  Send,
  TimerOff,
  TriangleAlert,
  X,
} from "lucide-react";
import { stateText } from "../text/states";
import styles from "./StateChip.module.css";

const ICONS: Record<string, LucideIcon> = {
  PLANNED: CircleDashed,
  HELD: Clock,
  AWAITING_USER: Hand,
  SKIPPED: Minus,
  SENDING: Send,
  UNKNOWN: CircleQuestionMark,
  ACKED: CircleCheckBig,
  OPEN: CircleDot,
  PARTIAL: Contrast,
  FILLED: Check,
  CANCELLED: CircleSlash,
  REJECTED: X,
  LAPSED: TimerOff,
  NOT_PLACED: CircleOff,
  NEEDS_ATTENTION: TriangleAlert,
};

export function StateChip({ state }: { state: string }) {
  const { word, tone, tinted } = stateText(state);
  const Icon = ICONS[state] ?? CircleDashed;
  return (
    <span className={styles.chip} data-tone={tone} data-tinted={tinted}>
      <Icon className={styles.icon} aria-hidden="true" />
      {word}
    </span>
  );
}
