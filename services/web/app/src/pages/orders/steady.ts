/** Rows that do not jump: while a person points or has scrolled, known rows keep their places. */

export interface Steady {
  ids: readonly string[];
  /** New rows that wait until the table may move. */
  waiting: number;
}

/**
 * `sorted` is where rows belong now, `shown` where they stand. When held, rows that left are taken
 * out, and new ones wait.
 */
export function steady(sorted: readonly string[], shown: readonly string[], held: boolean): Steady {
  if (!held || shown.length === 0) return { ids: sorted, waiting: 0 };
  const present = new Set(sorted);
  const ids = shown.filter((id) => present.has(id));
  return { ids, waiting: sorted.length - ids.length };
}
