/** Requests to the services through the edge: typed by their OpenAPI documents, one error for all. */

import createClient from "openapi-fetch";
import type { paths as AuthPaths } from "./schema/auth";
import type { paths as ExecutorPaths } from "./schema/executor";
import type { paths as SignalPaths } from "./schema/signal";

/** What a service said was wrong: its code, its sentence, where to look it up. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly correlationId: string | null,
  ) {
    super(message);
  }
}

type Paths = AuthPaths & ExecutorPaths & SignalPaths;

export const api = createClient<Paths>({ baseUrl: "/", fetch: reachable });

/** Gives the answer's body, or throws the `Problem` it is. */
export async function answerOf<T>(
  asked: Promise<{ data?: unknown; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await asked;
  if (response.ok) return data as T;
  const said = (typeof error === "object" && error !== null ? error : {}) as {
    code?: string;
    message?: string;
    correlation_id?: string;
  };
  throw new Problem(
    response.status,
    said.code ?? "UNKNOWN",
    said.message ?? `The server answered ${response.status}.`,
    said.correlation_id ?? response.headers.get("x-correlation-id"),
  );
}

async function reachable(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch {
    throw new Problem(0, "OFFLINE", "Lockstep cannot be reached.", null);
  }
}
