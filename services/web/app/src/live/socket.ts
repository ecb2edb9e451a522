/**
 * One websocket that stays: reconnects with backoff, takes silence for failure, wakes at once when
 * the tab or the network does. It knows nothing of orders.
 */

import type { Frame } from "../api/types";
import { backoffMs, RESTART_SPREAD_MS } from "./backoff";

export const SILENCE_MS = 25_000;
const WATCH_MS = 1_000;
const SIGNED_OUT = 4401;
const FORBIDDEN = 4403;
const TOO_SLOW = 4408;
const GAP = 4409;
const RESTART = 1012;

export type Ending = "signed-out" | "forbidden";

export interface SocketEvents {
  /** Any frame, the hello first. */
  onFrame(frame: Frame): void;
  /** The line is down; `retryAt` is when it is tried again (wall clock, ms). */
  onDown(retryAt: number): void;
  /** The server wants no further try. */
  onEnd(ending: Ending): void;
}

/** What the socket needs of its surroundings; tests give their own. */
export interface Surroundings {
  open(): WebSocket;
  now(): number;
  random(): number;
}

export class LiveSocket {
  private socket: WebSocket | null = null;
  private attempt = 0;
  private heardAt: number;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private watch: ReturnType<typeof setInterval> | null = null;

  constructor(
    private readonly around: Surroundings,
    private readonly events: SocketEvents,
  ) {
    this.heardAt = around.now();
  }

  start(): void {
    if (this.watch) return;
    this.watch = setInterval(this.checkSilence, WATCH_MS);
    addEventListener("online", this.wake);
    addEventListener("pageshow", this.wake);
    document.addEventListener("visibilitychange", this.wake);
    this.connect();
  }

  stop(): void {
    if (this.watch) clearInterval(this.watch);
    this.watch = null;
    this.cancelRetry();
    removeEventListener("online", this.wake);
    removeEventListener("pageshow", this.wake);
    document.removeEventListener("visibilitychange", this.wake);
    this.drop();
  }

  /** Tries again now: the network or the tab came back, or a person asked. */
  retryNow = (): void => {
    if (!this.watch || this.socket) return;
    this.attempt = 0;
    this.connect();
  };

  private connect(): void {
    this.cancelRetry();
    const socket = this.around.open();
    this.socket = socket;
    this.heardAt = this.around.now();
    socket.onmessage = ({ data }) => this.hear(socket, data);
    socket.onclose = ({ code }) => this.closed(socket, code);
  }

  private hear(socket: WebSocket, data: unknown): void {
    if (socket !== this.socket || typeof data !== "string") return;
    this.heardAt = this.around.now();
    const frame = readFrame(data);
    if (!frame) return;
    if (frame.type === "hello") this.attempt = 0;
    this.events.onFrame(frame);
  }

  private closed(socket: WebSocket, code: number): void {
    if (socket !== this.socket) return;
    this.socket = null;
    if (code === SIGNED_OUT || code === FORBIDDEN) {
      this.stop();
      this.events.onEnd(code === SIGNED_OUT ? "signed-out" : "forbidden");
      return;
    }
    this.later(this.waitAfter(code));
  }

  private waitAfter(code: number): number {
    const random = this.around.random();
    if (code === RESTART) return random * RESTART_SPREAD_MS;
    if (code === TOO_SLOW || code === GAP) return backoffMs(0, random);
    return backoffMs(this.attempt++, random);
  }

  private later(wait: number): void {
    this.cancelRetry();
    this.retry = setTimeout(() => this.connect(), wait);
    this.events.onDown(this.around.now() + wait);
  }

  /** Timers lie after sleep: what counts is the wall clock since the last frame. */
  private checkSilence = (): void => {
    if (!this.socket || this.around.now() - this.heardAt <= SILENCE_MS) return;
    this.drop();
    this.later(backoffMs(this.attempt++, this.around.random()));
  };

  private wake = (): void => {
    if (document.visibilityState === "hidden") return;
    if (this.socket && this.around.now() - this.heardAt > SILENCE_MS) this.drop();
    this.retryNow();
  };

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private cancelRetry(): void {
    if (this.retry) clearTimeout(this.retry);
    this.retry = null;
  }
}

function readFrame(data: string): Frame | null {
  try {
    const frame: unknown = JSON.parse(data);
    const known = typeof frame === "object" && frame !== null && "type" in frame;
    return known ? (frame as Frame) : null;
  } catch {
    return null;
  }
}
