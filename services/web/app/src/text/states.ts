/** What each state of a follower order is called, how it looks, and which filter shows it. */

export type Tone = "quiet" | "link" | "ok" | "warn" | "loss" | "pending";
export type StateGroup = "working" | "filled" | "not-copied" | "rejected" | "unclear" | "ended";

export interface StateText {
  word: string;
  tone: Tone;
  group: StateGroup;
  /** Exceptions carry their tint; normal is grey. */
  tinted?: true;
  sentence?: string;
}

export const STATES = {
  PLANNED: { word: "Planned", tone: "quiet", group: "working" },
  HELD: { word: "Held", tone: "warn", group: "working", tinted: true },
  AWAITING_USER: { word: "Approval", tone: "pending", group: "working", tinted: true },
  SKIPPED: { word: "Skipped", tone: "quiet", group: "not-copied" },
  SENDING: { word: "Sent", tone: "link", group: "working" },
  UNKNOWN: {
    word: "Unclear",
    tone: "warn",
    group: "unclear",
    tinted: true,
    sentence:
      "The broker's answer was not clear. We are looking the order up; it is never sent twice.",
  },
  ACKED: { word: "Accepted", tone: "link", group: "working" },
  OPEN: { word: "Open", tone: "link", group: "working" },
  PARTIAL: { word: "Partial", tone: "ok", group: "working" },
  FILLED: { word: "Filled", tone: "ok", group: "filled" },
  CANCELLED: { word: "Cancelled", tone: "quiet", group: "ended" },
  REJECTED: { word: "Rejected", tone: "loss", group: "rejected", tinted: true },
  LAPSED: {
    word: "Lapsed",
    tone: "quiet",
    group: "ended",
    sentence: "The exchange's day ended before it was filled.",
  },
  NOT_PLACED: {
    word: "Not placed",
    tone: "loss",
    group: "not-copied",
    tinted: true,
    sentence: "It never reached the broker. Nothing was bought or sold.",
  },
  NEEDS_ATTENTION: {
    word: "Attention",
    tone: "warn",
    group: "unclear",
    tinted: true,
    sentence: "A person at Lockstep is looking at this order. Nothing more is sent for it.",
  },
} as const satisfies Record<string, StateText>;

export const GROUPS: { group: StateGroup; word: string }[] = [
  { group: "working", word: "Working" },
  { group: "filled", word: "Filled" },
  { group: "not-copied", word: "Not copied" },
  { group: "rejected", word: "Rejected" },
  { group: "unclear", word: "Unclear" },
  { group: "ended", word: "Ended" },
];

/** A state this build does not know is shown by its own name. */
export function stateText(state: string): StateText {
  const known: Record<string, StateText> = STATES;
  return known[state] ?? { word: state, tone: "quiet", group: "ended" };
}
