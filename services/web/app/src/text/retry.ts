/** What is said of an exit that failed: what that means, what one may do, what came of it. */

import { stateText } from "./states";

export const RETRY = {
  failed: "This exit did not close what it should. Try again, or close it at your broker.",
  unclear: "This exit may still be filled. Look at your broker; nothing more is sent for it.",
  button: "Try again",
  trying: "Trying again…",
  waits: "It is being worked out. If no new order appears within a minute, try again.",
} as const;

/** What became of the order that stands in for a failed one. */
export function triedAgain(state: string): string {
  return `Tried again: ${stateText(state).word.toLowerCase()}.`;
}

export const IS_RETRY = "A second try of an exit that failed.";
