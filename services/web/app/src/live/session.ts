/** The feed of the signed-in person, and what other tabs are told about signing in and out. */

import type { QueryClient } from "@tanstack/react-query";
import { addNotice, readOrders } from "../api/queries";
import { OrderFeed } from "./orderFeed";

const channel =
  typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("lockstep-session");

export type SessionMessage = { kind: "signed-out" } | { kind: "signed-in"; userId: string };

export function openFeed(client: QueryClient): OrderFeed {
  return new OrderFeed({
    open: () => new WebSocket(socketUrl("/ws/orders")),
    now: Date.now,
    random: Math.random,
    readOrders,
    onNotice: (notice) => addNotice(client, notice),
  });
}

export function tellOtherTabs(message: SessionMessage): void {
  channel?.postMessage(message);
}

export function onOtherTabs(heard: (message: SessionMessage) => void): () => void {
  const listener = ({ data }: MessageEvent<SessionMessage>) => heard(data);
  channel?.addEventListener("message", listener);
  return () => channel?.removeEventListener("message", listener);
}

function socketUrl(path: string): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}
