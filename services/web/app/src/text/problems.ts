/** What went wrong with a request, what it means, what to do: by the API's code. */

const PROBLEMS: Record<string, string> = {
  SERVICE_AWAY: "This part of Lockstep is not reachable just now. Orders keep working.",
  SERVICE_SLOW: "This part of Lockstep took too long to answer. Orders keep working.",
  SERVICE_BROKE_OFF: "The connection broke off on the way. Look before you repeat it.",
  OFFLINE: "Your device is offline, or Lockstep cannot be reached from it. Orders keep working.",
  SIGN_IN_REQUIRED: "Your sign-in has ended. Sign in again.",
  NOT_ALLOWED: "Your account may not see this.",
};

/** Our sentence for a code we know, else the server's own. */
export function problemText(code: string, message: string): string {
  return PROBLEMS[code] ?? message;
}
