/** In-app notifications by code; the server's own sentence for one this build does not know. */

import type { Notice } from "../api/types";

const NOTICES: Record<string, string> = {
  RECONNECT_BROKER: "Please re-connect your broker.",
  CALENDAR_ENDS: "Market hours are known only until the date given: nothing is entered after it.",
  CLOCK_SKEW: "A server's clock differs from the database's.",
  DEAD_LETTER: "A record could not be used and waits for an operator.",
  EXIT_FAILED: "A position was not closed as it should be. Its order says why.",
  MASTER_PAUSED_BY_DEAD_LETTER: "New entries are paused: a signal could not be read.",
};

export function noticeText(notice: Notice): string {
  const known = NOTICES[notice.code] ?? notice.message;
  return known ?? sentenceCase(notice.code);
}

/** The figures as name and value, in their order. */
export function noticeFigures(notice: Notice): string {
  return Object.entries(notice.figures)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`)
    .join(" · ");
}

function sentenceCase(code: string): string {
  const words = code.replaceAll("_", " ").toLowerCase();
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}
