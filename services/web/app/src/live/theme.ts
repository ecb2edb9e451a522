/** The theme after the first paint; theme.js sets it before. */

import { Store } from "./store";

export type Theme = "light" | "dark";

export const theme = new Store<Theme>(
  document.documentElement.dataset.theme === "dark" ? "dark" : "light",
);

export function toggleTheme(): void {
  const next: Theme = theme.get() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  theme.set(next);
  try {
    localStorage.setItem("lockstep-theme", next);
  } catch {
    // Kept for this page alone.
  }
}
