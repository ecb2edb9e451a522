/** j and k, arrows, Home and End move through the rows; Enter opens; / searches; Escape closes. */

import { type RefObject, useEffect, useRef, useState } from "react";

interface Rows {
  ids: readonly string[];
  openId: string | undefined;
  box: RefObject<HTMLElement | null>;
  scrollTo: (index: number) => void;
  open: (orderId: string | undefined) => void;
}

const STEPS: Record<string, (index: number, last: number) => number> = {
  j: (index, last) => Math.min(last, index + 1),
  ArrowDown: (index, last) => Math.min(last, index + 1),
  k: (index) => Math.max(0, index - 1),
  ArrowUp: (index) => Math.max(0, index - 1),
  Home: () => 0,
  End: (_, last) => last,
};
const FRAMES_MAX = 10;

export function useRowKeys(rows: Rows): string | null {
  const [activeId, setActiveId] = useState<string | null>(null);
  const latest = useRef({ ...rows, activeId });
  useEffect(() => {
    latest.current = { ...rows, activeId };
  });

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const { ids, openId, scrollTo, open, box, activeId } = latest.current;
      if (event.key === "Escape" && openId) return open(undefined);
      if (isTyping(event.target)) return;
      if (event.key === "/") return searchInstead(event);
      const step = STEPS[event.key];
      // Arrows, Home and End keep their own meaning everywhere but in the table.
      if (!step || (event.key.length > 1 && !box.current?.contains(event.target as Node))) return;
      event.preventDefault();
      const index = ids.indexOf(openId ?? activeId ?? "");
      const next = index < 0 ? 0 : step(index, ids.length - 1);
      const id = ids[next];
      if (id === undefined) return;
      setActiveId(id);
      scrollTo(next);
      if (openId) open(id);
      else focusRow(box, id);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);

  return activeId;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, select, textarea");
}

function searchInstead(event: KeyboardEvent): void {
  event.preventDefault();
  document.getElementById("orders-search")?.focus();
}

/** The row may come into the page a frame or two after it was scrolled to. */
function focusRow(box: RefObject<HTMLElement | null>, id: string, frame = 0): void {
  const link = box.current?.querySelector<HTMLElement>(`[data-order="${CSS.escape(id)}"] a`);
  if (link) link.focus({ preventScroll: true });
  else if (frame < FRAMES_MAX) requestAnimationFrame(() => focusRow(box, id, frame + 1));
}
