/** Holds rows in their places while a person points at them or has scrolled down. */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type Steady, steady } from "./steady";

const REST_MS = 1_000;

export interface SteadyRows extends Steady {
  onPointerMove: () => void;
  /** Lets every waiting row in. */
  release: () => void;
}

/** `key` names filter and sort: what a person changed is shown at once. */
export function useSteadyRows(
  sorted: readonly string[],
  key: string,
  scrolled: boolean,
): SteadyRows {
  const [pointing, setPointing] = useState(false);
  const [released, setReleased] = useState(0);
  const resting = useRef<ReturnType<typeof setTimeout> | null>(null);
  const shown = useRef<{ key: string; ids: readonly string[] }>({ key, ids: [] });

  const held = (pointing || scrolled) && shown.current.key === `${key}${released}`;
  const now = useMemo(() => steady(sorted, shown.current.ids, held), [sorted, held]);
  useEffect(() => {
    shown.current = { key: `${key}${released}`, ids: now.ids };
  }, [key, released, now]);

  const onPointerMove = useCallback(() => {
    if (resting.current) clearTimeout(resting.current);
    resting.current = setTimeout(() => setPointing(false), REST_MS);
    setPointing(true);
  }, []);
  useEffect(() => () => void (resting.current && clearTimeout(resting.current)), []);

  const release = useCallback(() => {
    setPointing(false);
    setReleased((times) => times + 1);
  }, []);
  return { ...now, onPointerMove, release };
}
